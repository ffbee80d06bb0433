"""scripts/live-check, with a simulator in place of Telnyx: what it asks, what it tells, and what it refuses."""

import json
import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from scripts.answer_shapes import Answer, compare, shape
from scripts.live_check import TABLE, Api, add_rows, main
from service.testing.simulator import Simulator, running
from service.testing.simulator.api.operations import OPERATIONS
from tests.processes.running import clean_environment

ROOT = Path(__file__).parents[2]
SENDER, PHONE = "+13125550001", "+13125550002"


@dataclass(frozen=True)
class Account:
    """A simulator with rows. `before` is how many requests made them."""

    simulator: Simulator
    before: int

    @property
    def asked(self) -> list[tuple[str, str]]:
        """The requests of the script alone."""
        return [(each.method, each.path) for each in self.simulator.requests[self.before :]]


@pytest.fixture
def telnyx(monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    """A simulator as the account of `TELNYX_API_KEY`."""
    simulator = Simulator()
    with running(simulator) as url, httpx.Client(base_url=f"{url}/v2", trust_env=False) as http:
        http.headers["authorization"] = "Bearer KEY"
        add_rows(simulator, Api(http))
        monkeypatch.delenv("CI", raising=False)
        monkeypatch.setenv("TELNYX_BASE_URL", f"{url}/v2")
        monkeypatch.setenv("TELNYX_API_KEY", "KEYofNobody")
        yield Account(simulator, len(simulator.requests))


def test_the_table_has_each_reading_operation_of_the_simulator_or_says_why_not() -> None:
    paths = {path for each in OPERATIONS if each.method == "GET" for path in each.paths}
    called = [each["path"] for each in TABLE["call"]]
    assert len(called) == len(set(called))
    assert set(called) | set(TABLE["left-out"]) == paths, "scripts/live_calls.toml has each"
    assert not set(called) & set(TABLE["left-out"])
    for index, each in enumerate(TABLE["call"]):
        assert each.get("from") is None or each["from"] in called[:index]


@pytest.mark.parametrize(
    ("theirs", "ours", "result", "differing"),
    [
        ({"data": {"id": "1"}}, {"data": {"id": "2"}}, "ok", []),
        ({"data": {"id": 1}}, {"data": {"id": "2"}}, "differs", ["data.id: number, simulated string"]),
        ({"data": {"id": None}}, {"data": {"id": "2"}}, "ok", []),
        (
            {"data": [{"at": "soon"}]},
            {"data": [{"at": "2026-11-26T10:00:00Z"}]},
            "differs",
            ["data[].at: string, simulated time"],
        ),
        ({"data": {"a": 1}}, {"data": [{"a": 1}]}, "differs", ["data: object, simulated list"]),
        ({"data": []}, {"data": [{"id": "1"}]}, "not compared", []),
        ("no object", {"data": []}, "differs", ["the whole: string, simulated object"]),
    ],
)
def test_answers_are_compared_by_the_kinds_of_their_values(
    theirs: Any, ours: Any, result: str, differing: list[str]
) -> None:
    found = compare("GET /x", Answer(200, theirs), Answer(200, ours))
    assert (found.result, found.differing) == (result, differing)


def test_fields_of_one_side_alone_are_told_and_are_no_difference() -> None:
    found = compare("GET /x", Answer(200, {"data": {"new": 1}}), Answer(200, {"data": {"old": {"deep": 1}}}))
    assert (found.result, found.only_at_telnyx, found.only_simulated) == ("ok", ["data.new"], ["data.old"])
    assert compare("GET /x", Answer(201, {"a": 1}), Answer(200, {"a": 1})).differing == ["status 201, simulated 200"]


@pytest.mark.parametrize(
    ("status", "result"), [(401, "failed"), (403, "refused"), (404, "refused"), (429, "failed"), (500, "failed")]
)
def test_an_operation_that_the_account_may_not_use_is_refused_and_others_fail(status: int, result: str) -> None:
    assert compare("GET /x", Answer(status, None), Answer(200, {})).result == result


def test_all_rows_of_a_list_count() -> None:
    assert shape([{"a": None}, {"a": 1, "b": True}])["[].a"] == {"null", "number"}


@pytest.mark.slow
def test_a_process_compares_every_call_and_sends_one_sms(telnyx: Account) -> None:
    variables = {name: os.environ[name] for name in ("TELNYX_BASE_URL", "TELNYX_API_KEY")}
    environment = {name: value for name, value in clean_environment(**variables).items() if name != "CI"}
    command = [str(ROOT / "scripts" / "live-check"), "--yes", "--from", SENDER, "--to", PHONE]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, ""), ran.stdout
    results = [line.split(" GET ")[0].split(" POST ")[0].strip() for line in ran.stdout.splitlines()]
    assert set(results) == {"ok", "not compared"}
    assert len(results) == len(TABLE["call"]) + 2
    # The simulator has no rows of some kinds, such as short codes.
    assert results.count("ok") > len(results) * 2 / 3
    assert not re.search(r"\d{7}|Acme", ran.stdout)
    assert [each for each in telnyx.asked if each[0] != "GET"] == [("POST", "/messages")]
    assert telnyx.asked[-1][1].startswith("/messages/")


@pytest.mark.slow
def test_an_account_that_answers_otherwise_is_told(telnyx: Account, capsys: pytest.CaptureFixture[str]) -> None:
    telnyx.simulator.add_fault(path="/balance", status=500)
    assert main(["--yes", "--json"]) == 1
    found = {each["call"]: each for each in json.loads(capsys.readouterr().out)}
    assert (found["GET /balance"]["result"], found["GET /balance"]["differing"]) == ("failed", ["status 500"])
    assert found["GET /10dlc/campaign/{campaign_id}"]["result"] == "ok"
    assert [each for each in telnyx.asked if each[0] != "GET"] == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "variables", "told"),
    [
        ([], {}, "Add --yes"),
        (["--from", SENDER, "--to", PHONE], {}, "sends one SMS"),
        (["--yes", "--to", PHONE], {}, "both --from and --to"),
        (["--yes"], {"CI": "true"}, "does not run in CI"),
        (["--yes"], {"TELNYX_API_KEY": ""}, "TELNYX_API_KEY is not set"),
        (["--yes", "--to", "312"], {}, "a number is written like"),
    ],
)
def test_nothing_is_asked_without_consent_and_a_key(
    telnyx: Account,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    variables: dict[str, str],
    told: str,
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    try:
        code: int | str | None = main(arguments)
    except SystemExit as ended:
        code = ended.code
    assert (code, told in capsys.readouterr().err, telnyx.asked) == (2, True, [])
