"""The environment: what is read, and how a mistake is told."""

import re
from pathlib import Path

import pytest

from service.ingress.body_budget import BEYOND_BYTES
from service.settings import InvalidSettings, Settings, load, load_for_ingress, without_unused_by_ingress
from service.settings.send_limits import SendLimits
from tests.stack import make_settings

DOCUMENTED = (Path(__file__).parents[1] / "docs" / "configuration.md").read_text()


def test_defaults_are_those_of_the_documentation(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load()
    assert (settings.port, settings.lease, settings.retention, settings.max_body) == (8080, 15, 604_800, 1024**2)


def documented_defaults() -> list[tuple[str, str]]:
    """Variables whose row gives a value as the default, and that value."""
    rows = re.findall(r"^\| (`.+?`) \| (`.+?`) \|", DOCUMENTED, re.MULTILINE)
    pairs = [zip(re.findall(r"`(\w+)`", names), re.findall(r"`(.+?)`", values), strict=True) for names, values in rows]
    return [pair for each in pairs for pair in each]


@pytest.mark.parametrize(("name", "value"), documented_defaults())
def test_a_documented_default_is_the_default(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    defaults = load()
    monkeypatch.setenv(name, value)
    assert load() == defaults


def test_most_variables_have_a_documented_default() -> None:
    assert len(documented_defaults()) > 25


@pytest.mark.parametrize("name", [str(field.validation_alias) for field in Settings.model_fields.values()])
def test_every_variable_is_documented(name: str) -> None:
    assert f"`{name}`" in DOCUMENTED


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TELNYX_PUBLIC_KEY", "abc"),
        ("TELNYX_PUBLIC_KEY", "O2onvM62pC1io6jQKm8Nc2UyFXcd4kOmOsBIoYtZ2ik=,"),
        ("REDIS_URL", "http://localhost"),
        ("RINGBACK_NAMESPACE", "a:b"),
        ("RINGBACK_PORT", "70000"),
        ("RINGBACK_LEASE", "soon"),
        ("RINGBACK_LEASE", "-1s"),
        ("RINGBACK_LEASE", "0"),
        ("RINGBACK_MAX_BODY", "1GiB"),
        ("RINGBACK_SMS_FROM", "312 555"),
        ("RINGBACK_PROBE_KEY", "c2hvcnQ="),
        ("HANDLERS", "no_colon"),
        ("RINGBACK_DRY_RUN", "perhaps"),
        ("RINGBACK_SMS_PER_HOUR", "plenty"),
        ("RINGBACK_REPLY_COUNTRIES", "USA"),
        ("RINGBACK_REPLY_COUNTRIES", "US,UK"),
        ("RINGBACK_ENCRYPTION_KEY", "secret"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_by_name_and_not_quoted(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(InvalidSettings) as raised:
        load()
    assert str(raised.value).startswith(f"{name}: ")
    assert len(value) < 5 or value not in str(raised.value)


@pytest.mark.parametrize(
    ("text", "seconds"), [("250ms", 0.25), ("30", 30), ("15m", 900), ("22h", 79_200), ("7d", 604_800)]
)
def test_durations_are_read(monkeypatch: pytest.MonkeyPatch, text: str, seconds: float) -> None:
    monkeypatch.setenv("RINGBACK_MAX_WAIT", text)
    assert load().max_wait == seconds


def test_limits_are_read_and_what_is_not_given_keeps_its_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RINGBACK_LIMITS", "rcs = 0.5, sms=1000")
    assert load().limits == SendLimits(sms=1000, mms=15, rcs=0.5)
    assert str(load().limits) == "sms=1000,mms=15,rcs=0.5,whatsapp=80"


@pytest.mark.parametrize(
    ("value", "named"),
    [
        ("fast", "part 1"),
        ("sms=5,fax=1", "part 2"),
        ("sms=5,", "part 2"),
        ("mms=many", "mms"),
        ("rcs=0", "rcs"),
        ("rcs=-1", "rcs"),
        ("sms=inf", "sms"),
        ("sms=2.5", "sms"),
        ("sms=1,sms=2", "sms is given twice"),
    ],
)
def test_a_limit_that_does_not_fit_is_named(monkeypatch: pytest.MonkeyPatch, value: str, named: str) -> None:
    monkeypatch.setenv("RINGBACK_LIMITS", value)
    with pytest.raises(InvalidSettings, match=f"^RINGBACK_LIMITS: {named}"):
        load()


def test_the_environment_wins_over_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    Path(".env").write_text("RINGBACK_PORT=1111\nRINGBACK_NAMESPACE=file\n")
    monkeypatch.setenv("RINGBACK_PORT", "2222")
    assert (load().port, load().namespace) == (2222, "file")


def test_secrets_do_not_print(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TELNYX_API_KEY", "KEY-hush")
    monkeypatch.setenv("REDIS_URL", "redis://user:hush@localhost")
    assert "hush" not in repr(load())


@pytest.mark.parametrize(
    ("given", "public", "failover"),
    [
        ("https://hooks.example", "https://hooks.example/webhooks", "https://hooks.example/webhooks/failover"),
        (
            "https://hooks.example/?a=b",
            "https://hooks.example/webhooks?a=b",
            "https://hooks.example/webhooks/failover?a=b",
        ),
        ("https://hooks.example/in", "https://hooks.example/in", "https://hooks.example/in"),
    ],
)
def test_an_address_without_a_path_means_our_own_path(given: str, public: str, failover: str) -> None:
    settings = make_settings(public_url=given, failover_url=given)
    assert (settings.public_url, settings.failover_url) == (public, failover)


def test_what_is_managed_is_a_list_all_or_nothing_named() -> None:
    assert make_settings().managed_ids() is None
    assert make_settings(manage="*").managed_ids() == frozenset("*")
    assert make_settings(manage=" a , b").managed_ids() == frozenset("ab")


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({"RINGBACK_TOLERANCE": "15m1s"}, "RINGBACK_TOLERANCE"),
        ({"RINGBACK_TOLERANCE": "901"}, "RINGBACK_TOLERANCE"),
        ({"RINGBACK_TOLERANCE": "1h"}, "RINGBACK_TOLERANCE"),
        ({"RINGBACK_TOLERANCE": "10m", "RINGBACK_RETENTION": "10m"}, "RINGBACK_TOLERANCE"),
        ({"RINGBACK_RETENTION": "2m"}, "RINGBACK_TOLERANCE"),
    ],
)
def test_a_tolerance_that_lets_webhooks_be_repeated_is_refused(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], named: str
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(InvalidSettings, match=f"^{named}"):
        load()


def test_the_largest_body_fits_into_the_room_for_bodies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RINGBACK_MAX_BODY", "33MiB")
    with pytest.raises(InvalidSettings, match="RINGBACK_MAX_BODY"):
        load()
    monkeypatch.setenv("RINGBACK_MAX_BODY", "32MiB")
    assert load().max_body == 32 * 1024**2 <= BEYOND_BYTES


def test_the_longest_tolerance_is_15_minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RINGBACK_TOLERANCE", "15m")
    assert load().tolerance == 900


@pytest.mark.parametrize(
    "url", ["http://telnyx.internal/v2", "http://10.0.0.7:12111/v2", "http://api.telnyx.com/v2", "http://[fe80::1]/v2"]
)
def test_an_api_that_the_network_can_read_has_to_be_asked_for(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("TELNYX_BASE_URL", url)
    with pytest.raises(InvalidSettings, match=r"^TELNYX_BASE_URL: http:// .*RINGBACK_INSECURE_API"):
        load()
    monkeypatch.setenv("RINGBACK_INSECURE_API", "true")
    assert load().is_api_insecure()


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1/v2", "http://localhost/v2", "http://[::1]/v2", "https://a.example"]
)
def test_an_api_that_no_network_can_read_is_taken(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("TELNYX_BASE_URL", url)
    assert not load().is_api_insecure()


@pytest.mark.parametrize("place", ["environment", ".env"])
def test_the_ingress_reads_no_secret_that_it_has_no_use_for(monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    secrets = {
        "TELNYX_API_KEY": "KEY-hush",
        "RINGBACK_NOTIFY": "json://hush",
        "RINGBACK_FORWARD_SECRET": "whsec_" + "aHVzaGh1c2hodXNoaHVzaGh1c2hodXNo",
    }
    if place == ".env":
        Path(".env").write_text("".join(f"{name.lower()}={value}\n" for name, value in secrets.items()))
    else:
        for name, value in secrets.items():
            monkeypatch.setenv(name, value)
    assert None not in (load().api_key, load().notify, load().forward_secret)
    settings = load_for_ingress()
    assert (settings.api_key, settings.notify, settings.forward_secret) == (None, None, None)


def test_each_secret_is_one_that_the_ingress_uses_or_never_reads() -> None:
    secrets = {
        str(each.validation_alias) for each in Settings.model_fields.values() if "Secret" in str(each.annotation)
    }
    never_read = secrets - without_unused_by_ingress(dict.fromkeys(secrets, "hush")).keys()
    assert secrets - never_read == {"REDIS_URL", "RINGBACK_PROBE_KEY", "RINGBACK_ENCRYPTION_KEY"}
