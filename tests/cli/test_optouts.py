"""`ringback optouts`: who must not be written to."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import pytest

from service import clock
from service.events.consent import ConsentChange
from service.store.facts.consent import Consent, Opposed, consent_of, opted_out, record_consent
from tests.cli.deployment import Deployment

NUMBER = "+13125550101"
SAID_AT = datetime(2026, 1, 5, 12, tzinfo=UTC).timestamp()


def listed(deployment: Deployment, *options: str) -> Any:
    ran = deployment.run("optouts", "list", "--json", *options)
    assert (ran.code, ran.stderr) == (0, "")
    return json.loads(ran.stdout)


def known(deployment: Deployment, number: str = NUMBER) -> Consent:
    return deployment.ask(lambda store: consent_of(store, number))


@pytest.mark.slow
def test_a_real_process_opts_out_lists_and_lifts(deployment: Deployment) -> None:
    added = deployment.run_process("optouts", "add", "+1 (312) 555-0101")
    assert (added.code, added.stdout, added.stderr) == (0, "+1312•••0101 is opted out.\n", "")
    assert deployment.ask(lambda store: opted_out(store, NUMBER))

    listed = deployment.run_process("optouts", "list")
    assert listed.code == 0
    assert listed.stdout.split()[-1] == "operator"
    assert NUMBER not in listed.stdout

    removed = deployment.run_process("optouts", "remove", NUMBER, "--yes")
    assert (removed.code, removed.stderr) == (0, "")
    assert not deployment.ask(lambda store: opted_out(store, NUMBER))
    assert deployment.run("optouts", "list", "--json").stdout == "[]\n"


def test_numbers_are_masked_unless_revealed_and_the_latest_come_first(deployment: Deployment) -> None:
    words = [ConsentChange(f"+1312555010{each}", "out", SAID_AT + each) for each in range(3)]
    deployment.ask(lambda store: record_consent(store, words, now=0))

    assert listed(deployment)[0] == {"number": "+1312•••0102", "since": "2026-01-05T12:00:02Z", "source": "message"}
    assert [each["number"] for each in listed(deployment, "--reveal")] == [word.number for word in reversed(words)]


def test_a_time_after_the_end_of_the_calendar_hides_no_other_opt_out(deployment: Deployment) -> None:
    values = {f"p:{NUMBER}": "- - - 253402318799000 - import", "p:+13125550102": "7 - message - - -"}
    deployment.redis.hset(deployment.keys.optouts, mapping=values)
    assert [each["since"] for each in listed(deployment)] == ["9999-12-31T23:59:59Z", "1970-01-01T00:00:00Z"]


def test_whoever_said_start_is_not_listed(deployment: Deployment) -> None:
    words = [ConsentChange(NUMBER, "out", SAID_AT), ConsentChange(NUMBER, "in", SAID_AT + 1)]
    deployment.ask(lambda store: record_consent(store, words, now=0))
    assert listed(deployment) == []


def test_nobody_is_opted_out_without_asking_and_lifting_asks_first(deployment: Deployment) -> None:
    deployment.run("optouts", "add", NUMBER)
    before = known(deployment)
    assert deployment.run("optouts", "remove", NUMBER).code == 1, "nobody said yes"
    assert known(deployment) == before


def test_lifting_holds_even_if_telnyx_runs_ahead_of_this_clock(deployment: Deployment) -> None:
    future = datetime.now(UTC).timestamp() + 600
    deployment.ask(lambda store: record_consent(store, [ConsentChange(NUMBER, "out", future)], now=0))
    assert deployment.run("optouts", "remove", NUMBER, "--yes").code == 0
    assert not known(deployment).opted_out


def test_a_stop_that_comes_while_the_question_stands_is_not_lifted(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployment.ask(lambda store: record_consent(store, [ConsentChange(NUMBER, "out", SAID_AT)], now=0))

    def stop_arrives(*_: Any, **__: Any) -> None:
        said = ConsentChange(NUMBER, "out", clock.now() + 0.01)
        deployment.ask(lambda store: record_consent(store, [said], now=0))

    monkeypatch.setattr("service.cli.privacy.optouts.confirm", stop_arrives)
    ran = deployment.run("optouts", "remove", NUMBER)
    assert (ran.code, "meanwhile" in ran.stderr) == (1, True)
    assert known(deployment).opted_out


def test_lifting_what_is_not_there_is_an_unmet_condition(deployment: Deployment) -> None:
    ran = deployment.run("optouts", "remove", NUMBER, "--yes")
    assert (ran.code, ran.stderr) == (1, "+1312•••0101 is not opted out.\n")


def test_a_file_is_imported_with_its_times(deployment: Deployment, tmp_path: Path) -> None:
    file = tmp_path / "optouts.csv"
    file.write_text(
        "\ufeffnumber,opted out\n# from the old system\n\n+1 312-555-0101,2026-01-05T12:00:00Z\n+13125550102\n12345\n"
    )
    ran = deployment.run_process("optouts", "import", str(file))
    assert (ran.code, ran.stdout, ran.stderr) == (0, "3 opt-outs read, 3 new.\n", "")
    assert known(deployment) == Consent(put=Opposed(SAID_AT, None, "import"))
    assert known(deployment, "+13125550102").opted_out
    assert known(deployment, "12345").opted_out
    assert deployment.run("optouts", "import", str(file)).stdout.startswith("3 opt-outs read")


def test_a_start_does_not_lift_what_was_imported(deployment: Deployment, tmp_path: Path) -> None:
    start = ConsentChange(NUMBER, "in", SAID_AT + 60)
    deployment.ask(lambda store: record_consent(store, [start], now=0))
    file = tmp_path / "optouts.csv"
    file.write_text(f"{NUMBER},2026-01-05 12:00:00\n")
    assert deployment.run("optouts", "import", str(file)).code == 0
    assert known(deployment).opted_out
    assert deployment.run("optouts", "remove", NUMBER, "--yes").code == 0
    assert not known(deployment).opted_out


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"+13125550101\n3125550102\n", "line 2, number: give +"),
        (b"+13125550101,yesterday\n", "line 1, time: give an ISO 8601 date"),
        (b"+13125550101,2062-11-27\n", "line 1, time: lies in the future"),
        (b"+13125550101,9999-12-31T23:59:59-05:00\n", "line 1, time: lies in the future"),
        (b"number\n", "holds no number"),
        (b"\xff\xfe\x00", "cannot be read as UTF-8"),
        (None, "cannot be read"),
    ],
    ids=["number", "time", "future", "end of the calendar", "empty", "not text", "not there"],
)
def test_a_file_that_does_not_fit_changes_nothing_and_is_told_without_its_numbers(
    deployment: Deployment, tmp_path: Path, content: bytes | None, complaint: str
) -> None:
    file = tmp_path / "optouts.csv"
    if content is not None:
        file.write_bytes(content)
    ran = deployment.run("optouts", "import", str(file))
    assert ran.code == 2
    assert f"{file}" in ran.stderr
    assert complaint in ran.stderr
    assert "555" not in ran.stderr.replace(str(file), "").replace("+13125550001", "")
    assert listed(deployment) == []


@pytest.mark.parametrize("by", ["operator", "message"])
@pytest.mark.parametrize(
    "stored", ["- - - {out} {back} import", "{out} {back} message - {back} -", "- {back} - 5 {back} import"]
)
def test_an_opt_in_of_the_future_hides_no_later_opt_out(
    deployment: Deployment, stored: str, by: Literal["operator", "message"]
) -> None:
    """An earlier version took any time from a file. A removal was then later still."""
    future = int((clock.now() + 10**9) * 1000)
    value = stored.format(out=future, back=future + 1)
    deployment.redis.hset(deployment.keys.optouts, f"p:{NUMBER}", value)
    assert not known(deployment).opted_out
    if by == "operator":
        assert deployment.run("optouts", "add", NUMBER).code == 0
    else:
        said = ConsentChange(NUMBER, "out", clock.now() - 2)
        deployment.ask(lambda store: record_consent(store, [said], now=clock.now()))
    assert known(deployment).opted_out
    assert deployment.run("optouts", "remove", NUMBER, "--yes").code == 0
    assert not known(deployment).opted_out


def test_an_opt_out_of_the_future_can_be_lifted(deployment: Deployment) -> None:
    deployment.redis.hset(deployment.keys.optouts, f"p:{NUMBER}", "- - - 253402318799000 - import")
    assert deployment.run("optouts", "remove", NUMBER, "--yes").code == 0
    assert not known(deployment).opted_out
    deployment.ask(lambda store: record_consent(store, [ConsentChange(NUMBER, "out", clock.now())], now=0))
    assert known(deployment).opted_out


def test_an_opt_out_by_an_operator_is_later_than_an_opt_in_by_a_clock_ahead(deployment: Deployment) -> None:
    ahead = ConsentChange(NUMBER, "in", clock.now() + 4, "operator")
    deployment.ask(lambda store: record_consent(store, [ahead], now=0))
    assert deployment.run("optouts", "add", NUMBER).code == 0
    assert known(deployment).opted_out


def test_a_number_is_kept_as_it_is_dialled_from_abroad(deployment: Deployment, tmp_path: Path) -> None:
    (file := tmp_path / "optouts.csv").write_text("+44 (0)171 123 4567\n")
    assert deployment.run("optouts", "import", str(file)).code == 0
    assert [each["number"] for each in listed(deployment, "--reveal")] == ["+441711234567"]
    assert deployment.run("optouts", "remove", "+44 0171 123 4567", "--yes").code == 0
    assert listed(deployment) == []


def test_an_opt_in_lifts_each_spelling_that_is_opted_out(deployment: Deployment) -> None:
    dialled, written = "+441711234567", "+4401711234567"
    words = [ConsentChange(dialled, "out", SAID_AT), ConsentChange(written, "out", SAID_AT)]
    deployment.ask(lambda store: record_consent(store, words, now=0))
    assert deployment.run("optouts", "remove", written, "--yes").code == 0
    assert listed(deployment) == []
    assert deployment.run("optouts", "add", written).code == 0
    assert [each["number"] for each in listed(deployment, "--reveal")] == [dialled]
    # A START under one spelling does not lift what was put there under the other.
    start = ConsentChange(written, "in", clock.now() + 60)
    deployment.ask(lambda store: record_consent(store, [start], now=0))
    assert deployment.run("optouts", "remove", written, "--yes").code == 0
    assert deployment.run("optouts", "remove", written, "--yes").code == 1


@pytest.mark.parametrize("number", ["3125550101", "STOP", "+1"])
def test_what_is_no_number_is_bad_usage(deployment: Deployment, number: str) -> None:
    for command in ("add", "remove"):
        ran = deployment.run("optouts", command, number)
        assert ran.code == 2
        assert "country code" in ran.stderr


@pytest.mark.parametrize(
    "form", ["h:deadbeef:", "h:deadbeef:00ff", "someone@example.com", "p:", "+13125550101", "\x1b[1m"]
)
def test_whatever_is_listed_can_be_removed(deployment: Deployment, form: str) -> None:
    deployment.redis.hset(deployment.keys.optouts, mapping={form: "1000 - message - - -", "p:+13125550102": "x"})
    if form.startswith("h:"):
        deployment.redis.hset(deployment.keys.optout_keys, "deadbeef", "1")
    [shown] = {each["number"] for each in listed(deployment, "--reveal")} - {"+13125550102"}
    ran = deployment.run("optouts", "remove", "--yes", "--", shown)
    assert ran.code == 0, ran
    assert [each["number"] for each in listed(deployment, "--reveal")] == ["+13125550102"]
    assert not deployment.redis.exists(deployment.keys.optout_keys)
    assert not deployment.ask(lambda store: opted_out(store, "+13125550103")), "nobody waits for a key"
