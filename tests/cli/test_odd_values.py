"""Values on the command line that are empty, as of a variable that is not set, or that are no UTF-8 or no id."""

import os
from pathlib import Path
from typing import Any

import pytest

from tests.cli.at_stack import run_at
from tests.cli.deployment import Deployment
from tests.stack import Stack


@pytest.mark.parametrize(
    "line",
    [
        ["dead", "drop", "--type", "", "--yes"],
        ["dead", "drop", "--type=", "--yes"],
        ["dead", "drop", "--reason", "  ", "--yes"],
        ["dead", "retry", "", "--yes"],
        ["events", "replay", "--handler", "", "--yes"],
        ["events", "replay", "dead", "--only", "", "--yes"],
        ["pause", ""],
        ["resume", ""],
    ],
)
def test_an_empty_text_selects_nothing(deployment: Deployment, line: list[str]) -> None:
    deployment.one_of_each()
    before = stored(deployment)
    ran = deployment.run(*line)
    assert (ran.code, "empty" in ran.stderr) == (2, True), ran
    assert stored(deployment) == before


def stored(deployment: Deployment) -> dict[bytes, bytes]:
    redis: Any = deployment.redis
    return {key: redis.dump(key) for key in redis.keys(f"{deployment.namespace}:*")}


def test_the_error_names_the_option_that_is_empty(deployment: Deployment) -> None:
    for given in (["--type", ""], ["--type="]):
        assert "'--type'" in deployment.run("dead", "drop", *given, "--yes").stderr


def test_a_field_may_be_set_to_an_empty_text(deployment: Deployment) -> None:
    for given in (["--set", "data.payload.text="], ["--set=data.payload.text="]):
        ran = deployment.run("trigger", "nosuch", *given)
        assert (ran.code, "empty" in ran.stderr) == (2, False)


ODD = os.fsdecode(b"caf\xe9")
"""An argument in Latin-1, as Python reads it."""


@pytest.mark.parametrize(
    ("line", "named"),
    [
        (["dead", "retry", "dead", ODD, "--yes"], "[ID]"),
        (["dead", "drop", "--reason", ODD, "--yes"], "--reason"),
        (["events", "show", ODD, "--reveal"], "ID"),
        (["pause", ODD], "handler"),
        (["trigger", "sms.received", "--set", f"data.payload.text={ODD}"], "--set"),
    ],
)
def test_a_text_that_is_no_utf_8_is_bad_usage(deployment: Deployment, line: list[str], named: str) -> None:
    deployment.one_of_each()
    before = stored(deployment)
    ran = deployment.run(*line)
    assert (ran.code, named in ran.stderr, "it is not UTF-8" in ran.stderr) == (2, True, True), ran
    assert stored(deployment) == before


@pytest.mark.parametrize("given", [".", ".."])
@pytest.mark.parametrize(
    "line", [["messages", "show"], ["rcs", "brands"], ["hosted", "show"], ["tollfree", "show"]], ids=" ".join
)
def test_dots_are_no_id_of_telnyx(stack: Stack, line: list[str], given: str) -> None:
    ran = run_at(stack, *line, given)
    assert (ran.code, "are no ids" in ran.stderr, stack.simulator.requests) == (2, True, [])


def test_a_path_may_be_of_any_bytes(deployment: Deployment, tmp_path: Path) -> None:
    file = tmp_path / ODD
    file.write_text("")
    assert deployment.run("events", "import", str(file)).stdout == "imported: 0 events.\n"
    missing = deployment.run("events", "import", str(tmp_path / f"{ODD}2"))
    assert (missing.code, "cannot be read" in missing.stderr) == (2, True)
