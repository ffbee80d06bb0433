"""`ringback policy`: a policy seen before it is in force, and what it makes of an event."""

import json
from pathlib import Path
from typing import Any

import pytest
from nacl.signing import SigningKey
from typer.testing import CliRunner, Result

from service.cli import app
from service.cli.inspect.policy import TYPES
from service.messages.fallback import DUE
from service.messages.policy_file import InvalidPolicy
from service.security.telnyx_signature import public_key_text
from tests.cli.deployment import run_process
from tests.messages.policies import SMS_FROM, write_policy
from tests.processes.running import ringback
from tests.telnyx_events import envelope, finalized_rcs

NUMBER = "+13125550101"
TEXT = "Your table is ready"
POLICY = """
    [defaults]
    from = "+13125550199"

    [[rules]]
    name = "codes"
    class = "otp"
    agents = ["otp_agent"]
    undelivered_after = "2m"

    [[rules]]
    name = "promotions"
    class = "marketing"
    countries = ["US"]
    template = "{{ agent_name }}: {{ text }}"
    quiet_hours = { from = "21:00", to = "08:00" }
    """


def explained(tmp_path: Path, payload: dict[str, Any], *options: str, event_type: str = "message.finalized") -> Any:
    """What `policy explain --json` says of the only recipient."""
    event = tmp_path / "event.json"
    event.write_text(json.dumps(envelope(event_type, payload)))
    path = str(write_policy(tmp_path, POLICY))
    ran = run("explain", str(event), "--policy", path, "--json", *options)
    assert (ran.exit_code, ran.stderr) == (0, "")
    [only] = json.loads(ran.stdout)
    return only


def run(*arguments: str, **variables: str) -> Result:
    """Run a command without a process of its own."""
    return CliRunner().invoke(app, ["policy", *arguments], env=variables)


def failed(**changes: Any) -> dict[str, Any]:
    return finalized_rcs("delivery_failed", NUMBER, **{"sent_at": "2026-11-22T17:59:00Z", **changes})


def test_a_policy_that_is_fit_is_shown(tmp_path: Path) -> None:
    path = write_policy(tmp_path, POLICY)
    ran = run("check", str(path), "--json")
    assert ran.exit_code == 0
    told = json.loads(ran.stdout)
    assert told["file"] == str(path)
    assert told["rules"][0] == {
        "rule": "codes",
        "class": "otp",
        "channel": "rcs",
        "for": {"agents": ["otp_agent"]},
        "triggers": ["failed", "expired"],
        "undelivered_after": 120,
        "from": "+1312•••0199",
        "as": "sms",
        "max_age": 600,
        "quiet_hours": None,
        "max_wait": 600,
        "max_segments": 6,
        "template": False,
        "warnings": [],
    }
    table = run("check", str(path)).stdout
    assert "promotions" in table
    assert "21:00-08:00" in table
    assert SMS_FROM not in table + ran.stdout
    shown = [line.split(None, 1) for line in table.splitlines() if line.partition(" ")[0].endswith(":")]
    assert [value for name, value in shown if name == "undelivered_after:"] == ["2m", "-"]
    assert [value for name, value in shown if name == "max_age:"] == ["10m", "1h"]
    assert [value for name, value in shown if name == "max_wait:"] == ["10m", "12h"]
    assert [value for name, value in shown if name == "template:"] == ["-", "yes"]
    assert {name[:-1] for name, _ in shown} == set(told["rules"][0]) - {"warnings"}


@pytest.mark.parametrize(
    ("hours", "max_wait", "warned"),
    [
        ('{ from = "21:00", to = "08:00" }', "10h", True),
        ('{ from = "21:00", to = "08:00" }', "11h", False),
        ('{ from = "08:00", to = "21:30" }', "12h", True),
        ('{ from = "00:00", to = "00:01" }', "30s", True),
    ],
)
def test_quiet_hours_that_last_longer_than_the_wait_are_warned_of(
    tmp_path: Path, hours: str, max_wait: str, *, warned: bool
) -> None:
    text = f"[[rules]]\nname = 'late'\nquiet_hours = {hours}\nmax_wait = '{max_wait}'\n"
    ran = run("check", str(write_policy(tmp_path, text)), "--json", RINGBACK_SMS_FROM=SMS_FROM)
    assert ran.exit_code == 0
    assert bool(json.loads(ran.stdout)["rules"][0]["warnings"]) == warned
    assert ("rule 'late': quiet_hours last" in ran.stderr) == warned


def test_the_opt_out_words_that_a_policy_adds_are_shown(tmp_path: Path) -> None:
    path = str(write_policy(tmp_path, 'opt_out_words = ["ARRET", "BAJA"]\n[[rules]]\nname = "all"\nfrom = "profile"\n'))
    assert json.loads(run("check", path, "--json").stdout)["opt_out_words"] == ["ARRET", "BAJA"]
    assert run("check", path).stdout.endswith("Opt-out words that it adds: ARRET, BAJA\n")


def test_a_policy_that_is_not_fit_is_told_by_file_line_and_field(tmp_path: Path) -> None:
    path = write_policy(tmp_path, "[[rules]]\nname = 'a'\nmax_segments = 0\n")
    ran = run_process("policy", "check", str(path), "--json", RINGBACK_SMS_FROM=SMS_FROM)
    assert (ran.code, ran.stdout) == (2, "")
    assert ran.stderr.startswith(f"{path}:3: rules[0].max_segments: ")


def test_the_senders_default_is_that_of_the_environment(tmp_path: Path) -> None:
    path = str(write_policy(tmp_path, "[[rules]]\nname = 'a'\n"))
    assert isinstance(run("check", path).exception, InvalidPolicy)
    assert run("check", path, RINGBACK_SMS_FROM="12345").exit_code == 0


def test_what_would_be_sent_is_told_without_text_and_number(tmp_path: Path) -> None:
    found = explained(tmp_path, failed(), "--at", "2026-11-22T18:00:00Z")
    assert found == {
        "to": "+1312•••0101",
        "rule": "promotions",
        "verdict": "send",
        "reason": "now",
        "why": "the message is failed",
        "when": "2026-11-22T18:00:00+00:00",
        "local": {"America/Chicago": "2026-11-22T12:00:00-06:00"},
        "as": "sms",
        "from": "+1312•••0199",
        "segments": 1,
        "text": "•••",
        "media_urls": [],
    }


def test_the_text_is_told_on_demand(tmp_path: Path) -> None:
    found = explained(tmp_path, failed(), "--at", "2026-11-22T18:00", "--reveal")
    assert (found["to"], found["from"], found["text"]) == (NUMBER, SMS_FROM, f"Acme: {TEXT}")


@pytest.mark.parametrize(
    ("changes", "at", "expected"),
    [
        ({}, "2026-11-22T19:00:00", {"verdict": "nothing", "reason": "too_old", "rule": "promotions"}),
        (
            {"sent_at": "2026-11-23T04:00:00Z"},
            "2026-11-23T04:01:00",
            {"verdict": "send", "reason": "quiet_hours", "when": "2026-11-23T14:00:00+00:00", "segments": 1},
        ),
        ({"to": [{"phone_number": "+33612345678", "status": "expired"}]}, None, {"reason": "no_rule", "rule": None}),
        ({"type": "SMS"}, None, {"reason": "not_rcs", "to": None}),
        ({"to": []}, None, {"reason": "no_recipient"}),
        ({"text": "x" * 1000}, "2026-11-22T18:00", {"verdict": "nothing", "reason": "too_long"}),
        (
            {"text": None, "from": {"agent_id": "otp_agent"}},
            "2026-11-22T18:00",
            {"verdict": "send", "reason": "now", "text": None, "rule": "codes"},
        ),
        (
            {"to": [{"phone_number": NUMBER, "status": "sent"}], "from": {"agent_id": "otp_agent"}},
            "2026-11-22T18:00",
            {"verdict": "watch", "when": "2026-11-22T18:01:00+00:00"},
        ),
        ({"to": [{"phone_number": NUMBER, "status": "delivered"}]}, None, {"reason": "not_failed"}),
        ({"errors": [{"code": 40300}]}, "2026-11-22T18:00", {"verdict": "nothing", "reason": "opted_out"}),
    ],
    ids=["old", "night", "no rule", "sms", "nobody", "long", "left out", "watched", "delivered", "blocked"],
)
def test_the_reason_is_told(tmp_path: Path, changes: dict[str, Any], at: str | None, expected: dict[str, Any]) -> None:
    payload = {**failed(text=changes.pop("text", TEXT)), **changes}
    found = explained(tmp_path, payload, *(("--at", at) if at else ()))
    assert {name: found[name] for name in expected} == expected


def test_people_get_lines(tmp_path: Path) -> None:
    event = tmp_path / "event.json"
    event.write_text(json.dumps(envelope("message.finalized", failed())))
    ran = run("explain", str(event), "--at", "2026-11-22T18:00", RINGBACK_SMS_FROM="profile")
    lines = ran.stdout.splitlines()
    assert "rule:      default" in lines
    assert "from:      profile" in lines
    assert "text:      •••" in lines
    unarmed = run("explain", str(event)).stdout
    assert "why:       neither RINGBACK_POLICY nor RINGBACK_SMS_FROM is set" in unarmed.splitlines()


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("{", "body is not valid JSON"),
        ('{"data": {"event_type": "call.initiated", "payload": {}}}', "data.event_type is none of"),
        ('{"data": {"event_type": "message.sent", "payload": {"to": 7}}}', "data.payload.to"),
        (None, "cannot be read"),
    ],
)
def test_what_is_no_event_of_a_message_exits_2(tmp_path: Path, body: str | None, told: str) -> None:
    event = tmp_path / "event.json"
    if body is not None:
        event.write_text(body)
    ran = run("explain", str(event))
    assert (ran.exit_code, ran.stdout) == (2, "")
    assert told in " ".join(ran.stderr.replace("│", " ").split())


def test_the_timer_of_the_fallback_can_be_explained() -> None:
    assert DUE in TYPES


@pytest.mark.slow
@pytest.mark.parametrize("role", ["worker", "up"])
def test_neither_a_worker_nor_up_starts_with_a_policy_that_is_not_fit(tmp_path: Path, role: str) -> None:
    path = write_policy(tmp_path, "[[rules]]\nname = 'a'\nclass = 'marketing'\n")
    keys = {"TELNYX_API_KEY": "KEY", "TELNYX_PUBLIC_KEY": public_key_text(SigningKey.generate())}
    ended = ringback(role, cwd=tmp_path, RINGBACK_POLICY="policy.toml", RINGBACK_SMS_FROM=SMS_FROM, **keys)
    assert ended.returncode == 2
    assert f"{path.name}:1: rules[0].quiet_hours: marketing must keep quiet hours" in ended.stderr
    assert not (tmp_path / "data").exists()


def test_a_sample_is_explained_by_its_name_with_the_local_time(tmp_path: Path) -> None:
    policy = str(write_policy(tmp_path, POLICY))
    ran = run("explain", "rcs.failed", "--policy", policy, "--json", "--at", "2026-11-22T18:00")
    [found] = json.loads(ran.stdout)
    assert (found["verdict"], len(found["local"])) == ("send", 1)
    text = run("explain", "rcs.failed", "--policy", policy, "--at", "2026-11-22T18:00").stdout
    assert "local:     America/" in text
    unknown = run("explain", "rcs.fialed", COLUMNS="300")
    assert (unknown.exit_code, "is rcs.failed" in unknown.stderr) == (2, True)


def test_a_number_of_many_time_zones_has_each_local_time_once(tmp_path: Path) -> None:
    event = tmp_path / "event.json"
    event.write_text(json.dumps(envelope("message.finalized", finalized_rcs("delivery_failed", "+18005550100"))))
    policy = str(write_policy(tmp_path, POLICY))
    ran = run("explain", str(event), "--policy", policy, "--json", "--at", "2026-11-22T19:00")
    [found] = json.loads(ran.stdout)
    assert len(found["local"]) == len(set(found["local"].values())) > 3
