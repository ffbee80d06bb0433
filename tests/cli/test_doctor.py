"""`ringback doctor`: what is not well is named, and only a probe that is asked for sends anything."""

import json
import re
import secrets
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from service.cli import app
from service.doctor.checks import CHECKS
from service.events.consent import ConsentChange
from service.security.encryption import EncryptionKey, Sealer
from service.store.facts.consent import record_consent
from service.store.inbox.leases import renewal
from service.store.store import Store
from service.worker.readiness import trouble_with_account
from tests.cli.deployment import Ran
from tests.doctor.test_delivery import deliver_here
from tests.doctor.test_sender import ABROAD
from tests.stack import Stack
from tests.telnyx_events import envelope, fresh_number


def doctor(stack: Stack, monkeypatch: pytest.MonkeyPatch, *arguments: str, **variables: str) -> Ran:
    given = {
        "TELNYX_PUBLIC_KEY": stack.settings.public_key or "",
        "TELNYX_API_KEY": "KEY",
        "TELNYX_BASE_URL": stack.settings.base_url,
        **stack.place,
        "RINGBACK_SMS_FROM": ABROAD,
        **variables,
    }
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    ended = CliRunner().invoke(app, ["doctor", *arguments])
    return Ran(ended.exit_code, ended.stdout, ended.stderr)


@pytest.mark.one_server("the servers of the tests' cluster have replicas")
def test_all_is_well(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    deliver_here(stack)
    stack.ask(lambda store: store.run("renew", *renewal("worker", (), lease=60, answered=1)))
    ran = doctor(stack, monkeypatch, RINGBACK_PUBLIC_URL=f"{stack.host.url}/webhooks", RINGBACK_SMS_FROM=ABROAD)
    assert ran.code == 0, ran
    assert [line.split()[0] for line in ran.stdout.splitlines()] == ["ok"] * len(CHECKS), ran.stdout
    assert {each.method for each in stack.simulator.requests} == {"GET"}


@pytest.mark.parametrize(
    ("variables", "check", "told"),
    [
        ({"RINGBACK_SMS_FORM": "+1"}, "variables", "RINGBACK_SMS_FORM"),
        ({"TELNYX_PUBLIC_KEY": ""}, "public key", "TELNYX_PUBLIC_KEY is not set"),
        ({"TELNYX_BASE_URL": "http://127.0.0.1:1/v2"}, "account", "cannot be reached"),
        ({"TELNYX_API_KEY": ""}, "account", "TELNYX_API_KEY is not set"),
        ({"REDIS_URL": "redis://127.0.0.1:1"}, "redis", "127.0.0.1:1: connection refused"),
    ],
)
def test_what_is_not_well_is_named(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], check: str, told: str
) -> None:
    ran = doctor(stack, monkeypatch, "--json", **variables)
    assert ran.code == 1, ran
    findings: list[dict[str, Any]] = json.loads(ran.stdout)
    unwell = {each["check"]: each["told"] for each in findings if each["status"] == "failed"}
    assert told in unwell[check]


def test_a_refused_key_is_named(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    stack.simulator.add_fault(kind="status", status=401)
    ran = doctor(stack, monkeypatch)
    assert ran.code == 1
    assert "failed   account: Telnyx: 401" in ran.stdout


def test_a_probe_sends_one_message_and_is_remembered(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    number = fresh_number()
    ran = doctor(stack, monkeypatch, "--probe-idempotency", number, "--yes")
    assert ran.code == 0, ran
    first, second = [each for each in stack.simulator.requests if each.method == "POST"]
    assert first.idempotency_key == second.idempotency_key
    assert len(stack.sent_to(number)) == 1
    assert "Telnyx answered a repeated send from memory" in doctor(stack, monkeypatch).stdout


def test_an_account_that_sends_twice_is_told_of(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    number = fresh_number()
    monkeypatch.setattr("service.testing.simulator.api.idempotency.REMEMBERED_FOR", -1)
    ran = doctor(stack, monkeypatch, "--probe-idempotency", number, "--yes")
    assert ran.code == 1
    assert "RINGBACK_RESEND=never" in ran.stdout
    assert len(stack.sent_to(number)) == 2
    assert doctor(stack, monkeypatch).code == 1
    assert doctor(stack, monkeypatch, RINGBACK_RESEND="never").code == 0


@pytest.mark.parametrize(
    ("to", "variables", "code"),
    [
        ("312 555", {}, 2),
        ("+13125550001", {"RINGBACK_DRY_RUN": "true"}, 2),
        ("+13125550001", {"RINGBACK_SMS_FROM": "profile"}, 2),
    ],
)
def test_a_probe_that_cannot_be_made_sends_nothing(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, to: str, variables: dict[str, str], code: int
) -> None:
    ran = doctor(stack, monkeypatch, "--probe-idempotency", to, "--yes", **variables)
    assert (ran.code, stack.simulator.requests) == (code, [])


def test_a_probe_asks_first(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    ran = doctor(stack, monkeypatch, "--probe-idempotency", "+13125550001")
    assert (ran.code, stack.simulator.requests) == (1, [])
    assert "+13125550001" not in ran.stdout


def test_a_misspelt_name_in_the_file_is_named_as_one_in_the_environment_is(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path(".env").write_text("RINGBACK_SMS_FORM=+13125550199\nTELNYX_PUBLICKEY=abc\nOTHER=1\n")
    ran = doctor(stack, monkeypatch, TELNYX_APIKEY="KEY")
    [line] = [each for each in ran.stdout.splitlines() if "variables:" in each]
    assert "RINGBACK_SMS_FORM (from .env) means nothing to Ringback: is RINGBACK_SMS_FROM meant?" in line
    assert "TELNYX_PUBLICKEY (from .env)" in line
    assert "TELNYX_APIKEY (from the environment)" in line
    assert "OTHER" not in line


def test_a_redis_without_a_limit_is_told_of_and_how_long_its_memory_lasts(
    own_stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    own_stack.deliver(envelope("test.something", {"text": "x" * 2000}))
    own_stack.ask(lambda store: store.redis.config_set("maxmemory", 0))
    ran = doctor(own_stack, monkeypatch)
    assert ran.code == 0, ran
    lines = {line.split(":")[0]: line for line in ran.stdout.splitlines()}
    assert "Redis has no maxmemory" in lines["warning  persistence"]
    assert re.search(r"today's 1 events of [\d,]+ bytes leave room for [\d,.]+ days", lines["ok       memory"])

    used = own_stack.ask(lambda store: store.redis.info("memory"))["used_memory"]
    own_stack.ask(lambda store: store.redis.config_set("maxmemory", int(used * 1.1)))
    assert "warning  memory: " in doctor(own_stack, monkeypatch).stdout


def test_a_worker_whose_event_loop_is_blocked_is_named_with_the_place(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    def tell(blocked: tuple[float, str] | None) -> None:
        told = renewal("worker", (), lease=60, answered=0, blocked=blocked)
        stack.ask(lambda store: store.run("renew", *told))

    tell((7.0, "my_handlers.py:12 in slow"))
    ran = doctor(stack, monkeypatch)
    assert ran.code == 1
    assert "failed   workers: the event loop is blocked at my_handlers.py:12 in slow: " in ran.stdout
    tell(None)
    assert "ok       workers: no event loop is blocked" in doctor(stack, monkeypatch).stdout


def test_a_missing_encryption_key_is_named_by_doctor_and_readyz(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    lost = EncryptionKey(secrets.token_bytes(32))

    async def opt_out(store: Store) -> str | None:
        there = replace(store, encryption=Sealer((lost,)))
        await record_consent(there, [ConsentChange("+13125550101", "out", 1.0)], now=1)
        return await trouble_with_account(store)

    worker_says = stack.ask(opt_out)
    ran = doctor(stack, monkeypatch)
    [line] = [line for line in ran.stdout.splitlines() if line.startswith("failed")]
    ingress = stack.http.get("/readyz")
    assert (ran.code, ingress.status_code, ingress.json()["status"]) == (1, 200, "ready"), "reception needs no key"
    for told in (line, str(worker_says), ingress.json()["warning"]):
        assert f"the encryption key {lost.name} is missing" in told


def test_a_misspelt_event_type_and_handlers_that_cannot_be_loaded_are_told(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("misspelt_handlers.py").write_text(
        "from service import Context, Event, Router\nrouter = Router()\n"
        '@router.on("mesage.received")\nasync def greet(event: Event, ctx: Context) -> None: ...\n'
    )
    told = doctor(stack, monkeypatch, HANDLERS="misspelt_handlers:router")
    assert told.code == 0, told
    [line] = [each for each in told.stdout.splitlines() if each.startswith("warning  handlers: ")]
    assert "the handler greet is on 'mesage.received'" in line
    assert "is message.received meant?" in told.stdout
    refused = doctor(stack, monkeypatch, HANDLERS="nothing_there:router")
    assert refused.code == 1
    assert "failed   handlers: " in refused.stdout
