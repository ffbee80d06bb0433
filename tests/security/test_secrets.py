"""Secrets: no part of one in any output, in a foreign exception's words neither; odd ones are refused at the start."""

import base64
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service import cli
from service.settings import InvalidSettings, Settings, load
from tests.processes.running import clean_environment, running
from tests.waiting import wait_for

MARK = "hunter2"
KEY = base64.b64encode(b"hunter2!" * 4).decode()
"""A valid key of 32 bytes; its base64 is what must not be seen."""

HOLDS_A_SECRET = (
    "TELNYX_API_KEY",
    "REDIS_URL",
    "RINGBACK_PROBE_KEY",
    "RINGBACK_FORWARD_SECRET",
    "RINGBACK_FORWARD_URL",
    "RINGBACK_ENCRYPTION_KEY",
    "RINGBACK_NOTIFY",
    "TELNYX_BASE_URL",
    "RINGBACK_PUBLIC_URL",
    "RINGBACK_FAILOVER_URL",
)
MALFORMED = (
    MARK,
    f"{MARK}\n{MARK}",
    f"{MARK}\x07",
    f"{MARK}é",
    f"https://user:{MARK}/x@host",
    f"https://{MARK}:pass@host:{MARK}",
    f"https://user:{MARK}@[::1",
    f"https://user:{MARK}℀@host",
    f"https://:{MARK}@",
    f"redis://:{MARK}/x@host",
    f"redis://{MARK}@host:99999",
    f"redis+sentinel://u:{MARK}@a:b/m?sentinel_password={MARK}",
    f"whsec_{MARK}",
    f"slack://{MARK}/x y",
    f"mailto://user:{MARK}@",
    f"nonsense://{MARK}",
    f"{KEY},{MARK}",
)


@pytest.mark.parametrize("name", HOLDS_A_SECRET)
def test_a_malformed_value_is_never_quoted(name: str, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    for value in MALFORMED:
        monkeypatch.setenv(name, value)
        for command in ("config", "policy"):
            monkeypatch.setattr(sys, "argv", ["ringback", command])
            with pytest.raises(SystemExit):
                cli.main()
        shown = "".join(capsys.readouterr())
        assert shown
        assert MARK not in shown, (value, shown)
        assert "Traceback" not in shown


@pytest.mark.parametrize("name", HOLDS_A_SECRET)
def test_whatever_stands_in_a_variable_is_never_quoted(name: str) -> None:
    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.sampled_from(["", "https://", "redis://", "rediss://u:", "whsec_", "unix://"]), st.text(), st.text())
    def holds(scheme: str, before: str, after: str) -> None:
        field = next(key for key, each in Settings.model_fields.items() if each.validation_alias == name)
        try:
            values: dict[str, Any] = {field: f"{scheme}{before}{MARK}{after}"}
            Settings(_env_file=None, **values)
            shown = ""
        except ValueError as error:
            shown = str(error)
        assert MARK not in shown

    holds()


@pytest.mark.slow  # real processes
@pytest.mark.parametrize("command", ["doctor", "ingress", "worker", "up", "audit"])
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("RINGBACK_NOTIFY", f"nonsense://{MARK}"),
        ("RINGBACK_NOTIFY", f"slack://{MARK}"),
        ("TELNYX_BASE_URL", f"https://user:{MARK}@127.0.0.1:x"),
        ("REDIS_URL", f"redis://{MARK}:{MARK}@127.0.0.1:1"),
        ("RINGBACK_FORWARD_URL", f"https://user:{MARK}/@host"),
    ],
)
def test_no_command_tells_one(tmp_path: Path, command: str, name: str, value: str) -> None:
    variables = {"REDIS_URL": "redis://127.0.0.1:1", "TELNYX_BASE_URL": "http://127.0.0.1:1", "RINGBACK_PORT": "0"}
    environment = clean_environment(**{**variables, "TELNYX_API_KEY": MARK, name: value})
    with running(command, cwd=tmp_path, log=(log := tmp_path / "log"), environment=environment) as process:
        # A worker waits for its server, and says so.
        wait_for(lambda: process.poll() is not None or log.read_text().count("again_in") > 2, seconds=60)
    assert log.read_text()
    assert MARK not in log.read_text()


@pytest.mark.parametrize("name", ["TELNYX_API_KEY", "RINGBACK_PROBE_KEY", "RINGBACK_ENCRYPTION_KEY"])
@pytest.mark.parametrize("ends", ["{}\n", " {}", "\t{}\r\n", "\u00a0{}"])
def test_white_space_at_the_ends_is_taken_away(monkeypatch: pytest.MonkeyPatch, name: str, ends: str) -> None:
    monkeypatch.setenv(name, ends.format(KEY))
    read = load()
    held = {"TELNYX_API_KEY": read.api_key, "RINGBACK_PROBE_KEY": read.probe_key}.get(name, read.encryption_key)
    assert held is not None
    assert held.get_secret_value() == KEY


@pytest.mark.parametrize("name", HOLDS_A_SECRET)
@pytest.mark.parametrize("inside", [" ", "\n", "\t", "\x01", "\x7f", "\u200b", "\u2028"])
def test_white_space_and_control_characters_inside_are_refused_by_name(
    monkeypatch: pytest.MonkeyPatch, name: str, inside: str
) -> None:
    monkeypatch.setenv(name, f"https://{MARK}{inside}{MARK}")
    with pytest.raises(InvalidSettings, match=f"^{name}: .*white space or a control character") as raised:
        load()
    assert MARK not in str(raised.value)


def test_a_list_may_have_white_space_around_its_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RINGBACK_ENCRYPTION_KEY", f" {KEY} ,\n {KEY}")
    monkeypatch.setenv("RINGBACK_NOTIFY", "json://localhost , json://localhost/two")
    read = load()
    assert read.encryption_key is not None
    assert read.encryption_key.get_secret_value() == f"{KEY},{KEY}"


def test_a_fault_of_our_own_is_told_by_its_place_alone(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    def broken() -> None:
        raise ValueError(f"redis://user:{MARK}@host")

    monkeypatch.setattr(cli, "app", broken)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    shown = "".join(capsys.readouterr())
    assert ended.value.code == 1
    assert "ValueError at test_secrets.py" in shown
    assert MARK not in shown
