"""G12: logs, metrics and commands hold no key, no message text, and phone numbers only masked."""

import re
import uuid
from pathlib import Path
from typing import Any

import httpx
import orjson
from nacl.signing import SigningKey

from service.cli.demo_stack import free_port
from service.signature import sign
from tests.events import envelope, finalized_rcs, fresh_number, received_sms
from tests.processes.fleet import Fleet, open_fleet
from tests.processes.running import ringback

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
