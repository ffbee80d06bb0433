"""G5: a worker killed between any two steps of an effect, real processes and all; the figures are Telnyx's own."""

import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog

from tests.guarantees import effect_steps
from tests.processes.fleet import Fleet, open_fleet
from tests.telnyx_events import envelope, fresh_number
from tests.waiting import wait_for

HANDLERS = """
from effect_steps import die_where_asked
from service import Context, Event, Router

die_where_asked()
router = Router()


@router.on("test.sms")
async def sms(event: Event, ctx: Context) -> None:
    await ctx.telnyx.messages.send(to=event.payload["to"], from_="+13125550199", text="Hello")


@router.on("test.own_key")
async def own_key(event: Event, ctx: Context) -> None:
    number = event.payload["to"]
    await ctx.telnyx.messages.send(to=number, from_="+13125550199", text="Hello", idempotency_key=f"k{number}")


@router.on("test.rcs")
async def rcs(event: Event, ctx: Context) -> None:
    await ctx.telnyx.messages.rcs.send(
        agent_id=event.payload["agent"], to=event.payload["to"], messaging_profile_id=event.payload["profile"],
        agent_message={"content_message": {"text": "Hello"}},
    )


@router.on("test.agent")
async def agent(event: Event, ctx: Context) -> None:
    await ctx.telnyx.messaging.rcs.agents.update(event.payload["agent"], webhook_url=f"https://ours.example/{event.payload['to']}")


@router.on("test.order")
async def order(event: Event, ctx: Context) -> None:
    await ctx.telnyx.messaging_hosted_number_orders.create(phone_numbers=[event.payload["to"]])


@router.on("test.codes")
async def codes(event: Event, ctx: Context) -> None:
    await ctx.telnyx.messaging_hosted_number_orders.create_verification_codes(
        event.payload["order"], phone_numbers=[event.payload["to"]], verification_method="sms"
    )
"""

log = structlog.get_logger(__name__)

OPERATIONS = [
    *(pytest.param(name, marks=pytest.mark.slow) for name in ("sms", "order")),
    *(pytest.param(name, marks=pytest.mark.soak) for name in ("own_key", "rcs", "agent", "codes")),
]
"""What is sent again under its key, and what is looked for; the others are variations of these."""


SENT_TWICE = {"sms", "own_key", "rcs", "agent"}
"""What may be sent again: Telnyx knows it by its key, or doing it twice is doing it once."""


@dataclass(frozen=True)
class Cell:
    """What must come of one cell of the matrix: requests that change something, effects at Telnyx, and how it ends."""

    requests: int
    effects: int
    reason: str | None = None


def expected(operation: str, step: str) -> Cell:
    if step in {"looked up", "answer stored"}:
        return Cell(1, 1)
    if step == "intent written":
        return Cell(1, 1) if operation in SENT_TWICE else Cell(0, 0, "ambiguous")
    if operation in SENT_TWICE:
        return Cell(2, 1)
    return Cell(1, 1) if operation == "order" else Cell(1, 1, "ambiguous")


@pytest.fixture(scope="module", params=OPERATIONS)
def fleet(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Fleet]]:
    with open_fleet(tmp_path_factory.mktemp(request.param), HANDLERS, Path(effect_steps.__file__)) as opened:
        opened.start_ingress()
        yield request.param, opened


def effects_at_telnyx(fleet: Fleet, operation: str, number: str) -> int:
    """How often it happened, by the books of the local Telnyx."""
    account = fleet.simulator.account
    if operation in {"sms", "own_key", "rcs"}:
        return sum(each.to == number for each in account.messages)
    if operation == "order":
        return sum(number in repr(each) for each in account.hosted_orders)
    if operation == "agent":
        return sum(number in str(each.webhook_url) for each in account.agents)
    return sum(number in f"{each.body}" and "verification_codes" in each.path for each in changes(fleet))


def changes(fleet: Fleet) -> list[Any]:
    return [each for each in fleet.simulator.requests if each.method != "GET"]


def payload(fleet: Fleet, number: str) -> dict[str, Any]:
    """What the handlers need to know."""
    account = fleet.simulator.account
    order = next((each.id for each in account.hosted_orders), None)
    return {
        "to": number,
        "agent": next(iter(account.agents)).agent_id,
        "profile": next(iter(account.profiles)).id,
        "order": order,
    }


@pytest.mark.timeout(120)
@pytest.mark.parametrize("step", effect_steps.STEPS)
def test_a_worker_killed_between_two_steps_does_it_once(fleet: tuple[str, Fleet], step: str) -> None:
    operation, deployment = fleet
    number = fresh_number()
    if operation == "codes" and not len(deployment.simulator.account.hosted_orders):
        create_order(deployment, fresh_number())
    before = len(changes(deployment))
    event = envelope(f"test.{operation}", payload(deployment, number))
    if step == "request sent":
        method = "PATCH" if operation == "agent" else "POST"
        deployment.simulator.add_fault(kind="slow", when="after", method=method, seconds=1)
    (deployment.folder / f"kill-{step}").write_text("")
    victim = deployment.start_worker()
    deployment.accepted(event)
    if step == "request sent":
        wait_for(lambda: len(changes(deployment)) > before)
        (deployment.folder / effect_steps.AT_TELNYX).write_text("")
    wait_for(lambda: victim.poll() is not None)
    assert victim.returncode == -signal.SIGKILL
    survivor = deployment.start_worker()
    record = deployment.ended(event)
    survivor.terminate()
    survivor.wait()

    [handler] = record.handlers.values()
    cell = Cell(len(changes(deployment)) - before, effects_at_telnyx(deployment, operation, number), handler.reason)
    log.info("cell", operation=operation, step=step, requests=cell.requests, effects=cell.effects, reason=cell.reason)
    assert cell == expected(operation, step)
    assert record.state == ("dead" if cell.reason else "done")
    assert deployment.audit_is_clean()


def create_order(fleet: Fleet, number: str) -> None:
    """An order whose numbers are to be proved."""
    url = fleet.environment["TELNYX_BASE_URL"] + "/messaging_hosted_number_orders"
    answer = httpx.post(url, json={"phone_numbers": [number]}, headers={"authorization": "Bearer KEY"}, trust_env=False)
    assert answer.status_code == 200
