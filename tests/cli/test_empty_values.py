"""Empty texts on the command line, as a script gives them by a variable that is not set."""

from typing import Any

import pytest

from tests.cli.deployment import Deployment


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
