"""`ringback config`: what is in force, and no secret of it."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from service.cli.inspect.config import duration, shown, size
from service.security.masked_urls import without_password
from service.settings import Settings
from service.settings.values import seconds
from service.settings.values import size as parsed_size
from tests.cli.deployment import run_here, run_process

PROBE_KEY = base64.b64encode(b"p" * 32).decode()
SECRETS = {
    "TELNYX_API_KEY": "KEY-of-the-account",
    "RINGBACK_PROBE_KEY": PROBE_KEY,
    "REDIS_URL": "rediss://ringback:hush-hush@redis.example:6380/1",
    "RINGBACK_SMS_FROM": "+13125550001",
}


def test_without_any_variable_all_are_defaults(tmp_path: Path) -> None:
    ran = run_here("config", "--json")
    assert (ran.code, ran.stderr) == (0, "")
    told = json.loads(ran.stdout)
    assert told["redis"] == f"embedded in {tmp_path.resolve() / 'data'}, since REDIS_URL is unset"
    settings = told["settings"]
    assert settings["RINGBACK_PORT"] == {"value": 8080, "source": "default"}
    assert settings["TELNYX_API_KEY"] == {"value": None, "source": "default"}
    assert {each["source"] for each in settings.values()} == {"default"}


def test_every_setting_is_shown_by_the_name_of_its_variable() -> None:
    names = {str(field.validation_alias) for field in Settings.model_fields.values()}
    assert set(shown(Settings(_env_file=None))) == names
    assert {"TELNYX_PUBLIC_KEY", "REDIS_URL", "HANDLERS", "RINGBACK_LEASE"} < names


@pytest.mark.parametrize("options", [(), ("--json",)], ids=["table", "json"])
def test_no_secret_and_no_number_is_shown(options: tuple[str, ...]) -> None:
    ran = run_here("config", *options, **SECRETS)
    assert ran.code == 0
    for secret in ("KEY-of-the-account", PROBE_KEY, "hush-hush", "13125550001"):
        assert secret not in ran.stdout + ran.stderr


def test_what_is_masked_is_shown_as_set() -> None:
    told = json.loads(run_here("config", "--json", **SECRETS).stdout)
    assert told["redis"] == "rediss://•••@redis.example:6380/1"
    shown_values = {name: told["settings"][name] for name in SECRETS}
    assert shown_values == {
        "TELNYX_API_KEY": {"value": "•••", "source": "environment"},
        "RINGBACK_PROBE_KEY": {"value": "•••", "source": "environment"},
        "REDIS_URL": {"value": told["redis"], "source": "environment"},
        "RINGBACK_SMS_FROM": {"value": "+1312•••0001", "source": "environment"},
    }


@pytest.mark.parametrize(
    ("url", "masked"),
    [
        ("redis://redis.example:6379/0", "redis://redis.example:6379/0"),
        ("redis://:secret@redis.example", "redis://•••@redis.example"),
        ("redis://user:secret@redis.example", "redis://•••@redis.example"),
        ("redis://user:sec@ret/1#@redis.example", "redis://•••@redis.example"),
        ("redis://secret@redis.example:6379", "redis://•••@redis.example:6379"),
        ("redis://redis.example?db=1&password=secret&timeout=1", "redis://redis.example?db=1&password=•••&timeout=1"),
        ("redis+sentinel://a/m?sentinel_password=secret&db=1", "redis+sentinel://a/m?sentinel_password=•••&db=1"),
        ("unix:///run/redis.sock?PassWord=secret", "unix:///run/redis.sock?PassWord=•••"),
        ("redis+sentinel://user:secret@one:1,two:2/main/0", "redis+sentinel://•••@one:1,two:2/main/0"),
        ("https://user:secret@proxy.example/v2", "https://•••@proxy.example/v2"),
    ],
)
def test_a_password_is_masked_wherever_a_url_has_it(url: str, masked: str) -> None:
    assert without_password(url) == masked


@pytest.mark.parametrize("text", ["250ms", "30s", "15m", "90s", "22h", "36h", "7d", "1.5s"])
def test_a_duration_is_shown_so_that_it_reads_the_same_again(text: str) -> None:
    number = seconds(text)
    assert isinstance(number, float)
    assert seconds(duration(number)) == number
    assert "." in text or text == "250ms" or duration(number) == text


def test_a_size_is_shown_so_that_it_reads_the_same_again() -> None:
    for text in ("1MiB", "512KiB", "1000B"):
        number = parsed_size(text)
        assert isinstance(number, int)
        assert size(number) == text


def value_of(variable: str, **values: Any) -> object:
    return shown(Settings(_env_file=None, **values))[variable].value


def test_values_are_shown_as_their_variables_take_them() -> None:
    assert value_of("RINGBACK_OUTAGE_PATIENCE") == "22h"
    assert value_of("RINGBACK_LEASE", lease=20) == "20s"
    assert value_of("RINGBACK_MAX_BODY") == "1MiB"
    assert value_of("RINGBACK_DATA", data="elsewhere") == "elsewhere"
    assert value_of("RINGBACK_SMS_FROM", sms_from="profile") == "profile"
    assert value_of("TELNYX_BASE_URL", base_url="http://user:secret@127.0.0.1/v2") == "http://•••@127.0.0.1/v2"


def test_a_value_of_the_file_is_told_from_one_of_the_environment(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("RINGBACK_PORT=8123\nringback_grace=10s\nRINGBACK_LEASE=20s\n")
    settings = json.loads(run_here("config", "--json", RINGBACK_LEASE="30s").stdout)["settings"]
    assert settings["RINGBACK_PORT"] == {"value": 8123, "source": ".env"}
    assert settings["RINGBACK_GRACE"] == {"value": "10s", "source": ".env"}
    assert settings["RINGBACK_LEASE"] == {"value": "30s", "source": "environment"}


def test_people_get_a_table() -> None:
    ran = run_process("config", RINGBACK_GRACE="10s")
    rows = [line.split() for line in ran.stdout.splitlines()]
    assert ["RINGBACK_GRACE", "10s", "environment"] in rows
    assert ["RINGBACK_LEASE", "15s", "default"] in rows
    assert ["RINGBACK_ENCRYPTION_KEY", "unset", "default"] in rows
    assert rows[-1][:3] == ["Redis:", "embedded", "in"]


@pytest.mark.parametrize(
    ("variable", "value"), [("RINGBACK_PORT", "many"), ("RINGBACK_LEASE", "soon"), ("RINGBACK_DRY_RUN", "perhaps")]
)
def test_what_does_not_fit_exits_2_and_is_named(variable: str, value: str) -> None:
    ran = run_process("config", "--json", **{variable: value})
    assert (ran.code, ran.stdout) == (2, "")
    assert ran.stderr.startswith(f"{variable}: ")


def test_the_receiver_of_forwarded_events_is_shown_without_its_secrets() -> None:
    ran = run_here(
        "config",
        "--json",
        RINGBACK_FORWARD_URL="https://user:hunter2@receiver.example/hooks?token=hunter2",
        RINGBACK_FORWARD_SECRET="whsec_aHVudGVyMmh1bnRlcjJodW50ZXIyaHVudGVyMg==",
    )
    assert (ran.code, "hunter2" in ran.stdout, "aHVudGVy" in ran.stdout) == (0, False, False)
    assert (
        json.loads(ran.stdout)["settings"]["RINGBACK_FORWARD_URL"]["value"] == "https://•••@receiver.example/hooks?•••"
    )


def test_the_encryption_key_is_masked() -> None:
    key = base64.b64encode(bytes(range(32))).decode()
    table, as_json = (run_here("config", *each, RINGBACK_ENCRYPTION_KEY=key) for each in ((), ("--json",)))
    for ran in (table, as_json):
        assert ran.code == 0
        assert key[:8] not in ran.stdout + ran.stderr
    settings = json.loads(as_json.stdout)["settings"]
    assert settings["RINGBACK_ENCRYPTION_KEY"] == {"value": "•••", "source": "environment"}
