"""G12: logs, metrics and commands hold no key, no message text, and phone numbers only masked."""

import re
import uuid
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from nacl.signing import SigningKey
from typer.testing import CliRunner

from service.cli import app
from service.cli.connections import ask_at
from service.cli.demo.stack import free_port
from service.security.encryption import PLAIN
from service.security.telnyx_signature import sign
from service.store.effects.ledger import effects_of
from service.store.inbox import accept
from service.store.store import Store
from tests.guarantees.private_events import HANDLERS as OF_EVERY_KIND
from tests.guarantees.private_events import Private, add_faults, deliver_all, register
from tests.processes.fleet import NAMESPACE, Fleet, open_fleet
from tests.processes.running import ringback
from tests.telnyx_events import envelope, finalized_rcs, fresh_number, received_sms
from tests.waiting import wait_for

HANDLERS = """
from handlers import router as built_in
from service import Context, Discard, Event, Retry, Router
from service.events import Message

router = Router(built_in)

@router.on("message.received", max_attempts=1)
async def tell_all(event: Event[Message], ctx: Context) -> None:
    text, number = event.payload.text, event.payload.from_.phone_number
    ctx.log.info("received", message=repr(event.payload), seen=repr(event))
    if text.startswith("raise"):
        raise ValueError(f"{number} wrote {text}")
    if text.startswith("reply"):
        await ctx.reply(text)
    if text.startswith("chain"):
        try:
            {}[text]
        except KeyError as error:
            raise RuntimeError(number) from error
    if text.startswith("telnyx"):
        await ctx.telnyx.messages.send(to=number, from_="+1" + "5" * 20, text=text)

@router.on("message.received", max_attempts=1)
async def typed(event: Event[int], ctx: Context) -> None: ...
"""


def deliver_everything(fleet: Fleet, number: str, text: str) -> None:
    bodies = [
        envelope("message.received", received_sms(number, f"{how} {text}"))
        for how in ("raise", "reply", "chain", "telnyx", "nothing")
    ]
    bodies.append(envelope("message.finalized", finalized_rcs("delivery_failed", number, text=text)))
    bodies.append(envelope("message.finalized", finalized_rcs("delivery_failed", number, text=text * 60)))
    fleet.accepted(*bodies)
    for body in bodies:
        fleet.ended(body)


def deliver_refused(fleet: Fleet, number: str, text: str) -> None:
    body = orjson.dumps(envelope("message.received", received_sms(number, text)))
    url = f"http://127.0.0.1:{fleet.port}/webhooks"
    forged = sign(body, SigningKey.generate(), 1)
    for headers in ({}, forged, {**forged, "telnyx-timestamp": number}, sign(body, SigningKey.generate(), 2**33)):
        assert httpx.post(url, content=body, headers=headers, trust_env=False).status_code == 401


def everything_told(fleet: Fleet, admin: int, environment: dict[str, str]) -> dict[str, str]:
    """All that an operator, a scraper or a log collector gets to see."""
    told = {log.name: log.read_text() for log in fleet.folder.glob("*.log")}
    told["ingress metrics"] = httpx.get(f"http://127.0.0.1:{fleet.port}/metrics", trust_env=False).text
    told["worker metrics"] = httpx.get(f"http://127.0.0.1:{admin}/metrics", trust_env=False).text
    for command in (
        "events list",
        "events list --json",
        "dead list",
        "dead list --json",
        "optouts list",
        "optouts list --json",
        "events export",
        "audit",
        "config",
        "config --json",
    ):
        ended = ringback(*command.split(), cwd=fleet.folder, **environment)
        told[command] = ended.stdout + ended.stderr
    return told


@pytest.mark.slow
def test_nothing_private_is_told(tmp_path: Path) -> None:
    number, text, api_key = fresh_number(), f"secret {uuid.uuid4().hex}", f"KEY{uuid.uuid4().hex}"
    admin = free_port()
    with open_fleet(tmp_path, HANDLERS, TELNYX_API_KEY=api_key, RINGBACK_SMS_FROM="+13125550199") as fleet:
        fleet.simulator.add_fault(
            kind="status",
            path="/messages",
            status=422,
            code="40310",
            detail=f"The number {number} cannot get {number[1:]}",
            times=2,
        )
        fleet.start_ingress()
        fleet.start_worker(RINGBACK_ADMIN_PORT=str(admin))
        deliver_everything(fleet, number, text)
        deliver_refused(fleet, number, text)
        fleet.accepted(envelope("message.received", received_sms(number, "STOP")))
        environment: dict[str, Any] = {
            name: fleet.environment[name] for name in ("REDIS_URL", "RINGBACK_NAMESPACE", "TELNYX_PUBLIC_KEY")
        }
        told = everything_told(fleet, admin, {**environment, "TELNYX_API_KEY": api_key})

    assert any(each.method == "POST" for each in fleet.simulator.requests), "handlers did call Telnyx"
    assert "•••" in told["optouts list"]
    found = re.search(r"ValueError at my_handlers\.py:\d+ in tell_all", told["worker-1.log"])
    assert found, "yet what went wrong can be found"
    assert "ringback_handler_runs_total" in told["worker metrics"]
    for where, what in told.items():
        for private in (number, number[1:], text, text.split()[1], api_key):
            assert private not in what, f"{where} tells something private"


def shown_of_each(fleet: Fleet, environment: dict[str, str]) -> dict[str, str]:
    """What commands show of everything, and what a test that fails would print of it."""
    told = {}
    for command in (
        "events list --limit 5000",
        "events list --limit 5000 --json",
        "events export",
        "dead list --limit 5000",
        "dead list --limit 5000 --json",
        "optouts list",
        "optouts list --json",
        "doctor --json",
    ):
        told[command] = ran(environment, *command.split())
    listed = CliRunner().invoke(app, ["events", "list", "--limit", "5000", "--json"], env=environment)
    events = orjson.loads(listed.stdout)
    for each in events[:20] + [each for each in events if each["state"] == "dead"][:20]:
        for options in ((), ("--json",)):
            told[f"events show {each['id']} {options}"] = ran(environment, "events", "show", each["id"], *options)
    ids = [each["id"] for each in events]
    told["repr"] = ask_at(fleet.server.url, NAMESPACE, PLAIN, lambda store: reprs(store, ids))
    return told


def ran(environment: dict[str, str], *arguments: str) -> str:
    """What a command says, in this process: there are many."""
    result = CliRunner().invoke(app, arguments, env=environment)
    assert result.exit_code in (0, 1), (arguments, result.output)
    return result.stdout + result.stderr + repr(result.exception)


async def reprs(store: Store, ids: list[str]) -> str:
    records = await accept.find_all(store, ids)
    return repr(records) + repr([await effects_of(store, each) for each in ids])


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("count", [60, pytest.param(1000, marks=pytest.mark.soak)])
def test_nothing_is_told_of_very_many_on_every_path(tmp_path: Path, count: int) -> None:
    private, of_telnyx, admin = Private(), Private(), free_port()
    with open_fleet(tmp_path, OF_EVERY_KIND, RINGBACK_SMS_FROM="+13125550199") as fleet:
        add_faults(fleet, of_telnyx)
        fleet.start_ingress()
        fleet.start_worker(RINGBACK_ADMIN_PORT=str(admin))
        bodies = [*private.events(count), *register(fleet, of_telnyx)]
        deliver_all(fleet, bodies)
        for number in sorted(private.numbers)[:10]:
            deliver_refused(fleet, number, private.text())
        waiting = sum("later secret" in str(each) or "schedule secret" in str(each) for each in bodies)
        wait_for(lambda: fleet.counts().open <= waiting + 3, seconds=200)
        wait_for(lambda: "toll-free verification is Rejected" in (fleet.folder / "worker-1.log").read_text())
        ours = ("RINGBACK_", "REDIS_", "TELNYX_")
        environment = {name: each for name, each in fleet.environment.items() if name.startswith(ours)}
        told = everything_told(fleet, admin, environment) | shown_of_each(fleet, environment)
    for reason in ("ValueError", "RuntimeError", "by_hand", "payload"):
        assert f'"reason": "{reason}"' in told["dead list --limit 5000 --json"]
    # What Telnyx says of a refusal or of a registration is told in its words, with numbers masked.
    private.numbers |= of_telnyx.numbers
    for where, what in told.items():
        assert private.found_in(what.encode()) == set(), where
