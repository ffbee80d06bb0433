"""deploy/compose.yaml: what runs, with known variables, safe settings and only two variables to give."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from service.cli.commands import COMMANDS
from service.settings import Settings
from tests.stack import make_settings

DEPLOY = Path(__file__).parents[2] / "deploy"
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: each for name, each in SERVICES.items() if each["image"].startswith("${RINGBACK_IMAGE")}
KNOWN = {str(field.validation_alias): name for name, field in Settings.model_fields.items()}
_SUBSTITUTED = re.compile(r"\$\{(\w+)(?::([-?])(.*?))?\}")


def value(text: str) -> str:
    """A value as Compose substitutes it where nothing but what is required was given."""
    return _SUBSTITUTED.sub(lambda found: "" if found[2] == "?" else found[3] or "", text)


def test_two_ingress_two_workers_and_a_dashboard_run_behind_a_proxy() -> None:
    roles = [each["command"][0] for each in OURS.values()]
    assert sorted(roles) == ["dashboard", "ingress", "ingress", "worker", "worker"]
    assert set(roles) <= set(COMMANDS)
    assert set(SERVICES) - set(OURS) == {"valkey", "proxy"}


def test_only_the_two_variables_of_telnyx_have_to_be_given() -> None:
    text = (DEPLOY / "compose.yaml").read_text()
    assert {name for name, how, _ in _SUBSTITUTED.findall(text) if how == "?"} == {
        "TELNYX_PUBLIC_KEY",
        "TELNYX_API_KEY",
    }
    assert [each for each in _SUBSTITUTED.findall(text) if not each[1]] == []


@pytest.mark.parametrize("name", OURS)
def test_each_variable_is_known_and_its_default_valid(name: str) -> None:
    given = {variable: value(str(text)) for variable, text in OURS[name]["environment"].items()}
    assert set(given) <= set(KNOWN)
    make_settings(**{KNOWN[variable]: text for variable, text in given.items() if text})


def test_the_ingress_gets_no_secret_that_it_does_not_use() -> None:
    for each in OURS.values():
        if each["command"] == ["ingress"]:
            assert not {"TELNYX_API_KEY", "RINGBACK_NOTIFY", "RINGBACK_FORWARD_SECRET"} & set(each["environment"])


@pytest.mark.parametrize("name", OURS)
def test_each_container_is_confined_limited_and_waits_for_redis(name: str) -> None:
    each = OURS[name]
    assert (each["read_only"], each["cap_drop"], each["security_opt"]) == (True, ["ALL"], ["no-new-privileges:true"])
    assert each["mem_limit"]
    assert each["depends_on"]["valkey"] == {"condition": "service_healthy"}
    assert int(each["stop_grace_period"].removesuffix("s")) > Settings.model_fields["grace"].default


def test_redis_writes_each_event_to_its_volume_and_evicts_none() -> None:
    words = shlex.split(SERVICES["valkey"]["command"])
    options = dict(zip(words[1::2], words[2::2], strict=True))
    assert (options["--appendonly"], options["--appendfsync"]) == ("yes", "always")
    assert options["--maxmemory-policy"] == "noeviction"
    assert SERVICES["valkey"]["volumes"] == ["valkey:/data"]
    assert "valkey" in COMPOSE["volumes"]
    assert SERVICES["valkey"]["healthcheck"]["test"]


def test_only_the_proxy_is_reached_from_outside() -> None:
    ports = {name: each["ports"] for name, each in SERVICES.items() if "ports" in each}
    assert set(ports) == {"proxy", "dashboard"}
    assert all(each.startswith("127.0.0.1:") for each in ports["dashboard"])


@pytest.mark.parametrize("file", ["Caddyfile", "nginx.conf"])
def test_a_proxy_passes_webhooks_alone_and_never_redirects(file: str) -> None:
    text = (DEPLOY / file).read_text()
    assert "/webhooks" in text
    assert not re.search(r"\b30[1278]\b|\bredir\b|\brewrite\b|\breturn 3", text)
    assert "404" in text
    # Shorter than RINGBACK_KEEP_ALIVE, or the proxy reuses a connection that Ringback is closing.
    [idle] = re.findall(r"keepalive(?:_timeout)? (\d+)s", text)
    assert int(idle) < Settings.model_fields["keep_alive"].default
    assert text.count("{") == text.count("}")
