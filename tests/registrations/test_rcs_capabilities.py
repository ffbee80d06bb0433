"""What phones can do over RCS: asked for once, in hundreds, and forgotten when a message shows otherwise."""

import itertools
from collections.abc import Sequence
from typing import Any

import orjson
import pytest
from telnyx import AsyncTelnyx, BadRequestError

from handlers import rcs_capabilities
from service import Context, Event, Router, clock
from service.messages.rcs_capabilities import RcsCapabilities
from service.store.facts.remembered import REMEMBERED, Capability
from service.store.store import Store
from service.testing.bench import make_event
from service.testing.simulator import Simulator
from tests.cli.at_stack import asked
from tests.stack import Stack
from tests.telnyx_events import envelope, finalized_rcs, fresh_number

AGENT = "acme_agent"


def look_up(stack: Stack, numbers: Sequence[str], *, agent: str = AGENT, afresh: bool = False) -> dict[str, Capability]:
    async def ask(store: Store) -> dict[str, Capability]:
        async with AsyncTelnyx(api_key="KEY", base_url=stack.settings.base_url, max_retries=0) as telnyx:
            return await RcsCapabilities(telnyx, store).read(agent, numbers, afresh=afresh)

    return stack.ask(ask)


def capable(stack: Stack, number: str) -> bool:
    return look_up(stack, [number])[number].capable


def paths(stack: Stack) -> list[str]:
    return [each.path for each in stack.simulator.requests]


def asking() -> Router:
    """A handler that keeps what it was told."""
    router = Router()

    @router.on("test.asked")
    async def ask(event: Event[dict[str, Any]], ctx: Context) -> None:
        answer = await ctx.rcs.capable(AGENT, event.payload["number"])
        await ctx.redis.set(f"{ctx.settings.namespace}:user:{event.id}", orjson.dumps(answer))

    return router


def kept(stack: Stack, event_id: str) -> Any:
    """What the handler was told about an event."""

    async def read(store: Store) -> Any:
        return orjson.loads(await store.redis.get(f"{store.namespace}:user:{event_id}") or b"")

    return stack.ask(read)


@pytest.mark.parametrize(("capability", "answer"), [("full", True), ("text", True), ("none", False)])
def test_a_handler_asks_and_telnyx_is_asked_once(stack: Stack, capability: Any, *, answer: bool) -> None:
    number = fresh_number()
    stack.simulator.account.capabilities.set(number, capability)
    stack.start_worker(asking())
    for _ in range(2):
        event = envelope("test.asked", {"number": number})
        stack.deliver(event)
        assert stack.ended(event).state == "done"
        assert kept(stack, event["data"]["id"]) is answer
    assert paths(stack) == [f"/messaging/rcs/capabilities/{AGENT}/{number}"]


@pytest.mark.parametrize(
    ("capability", "features", "answer"),
    [
        ("full", {"RICHCARD_STANDALONE", "ACTION_DIAL"}, True),
        ("full", "RICHCARD_CAROUSEL", True),
        ("full", {"GENERIC_RCS_FEATURE"}, True),
        ("full", {"NEW_AT_TELNYX"}, False),
        ("text", {"GENERIC_RCS_FEATURE"}, True),
        ("text", {"RICHCARD_STANDALONE"}, False),
        ("text", set(), True),
        ("none", set(), False),
        ("none", {"GENERIC_RCS_FEATURE"}, False),
    ],
)
def test_a_phone_is_capable_of_some_features_only(
    run_handler: Any, local_telnyx: Simulator, capability: Any, features: Any, *, answer: bool
) -> None:
    number, told = fresh_number(), list[bool]()
    local_telnyx.set_capability(number, capability)

    async def ask(event: Event, ctx: Context) -> None:
        told.append(await ctx.rcs.capable(AGENT, number, features=features))

    assert run_handler(ask, make_event("test.asked")).outcome == "done"
    assert told == [answer]


def test_a_misspelt_feature_is_told_before_anybody_is_asked(run_handler: Any) -> None:
    async def ask(event: Event, ctx: Context) -> None:
        await ctx.rcs.capable(AGENT, fresh_number(), features={"RICH_CARD_STANDALONE"})

    ran = run_handler(ask, make_event("test.asked"))
    assert isinstance(ran.exception, ValueError)
    assert "did you mean 'RICHCARD_STANDALONE'?" in str(ran.exception)
    assert ran.requests == ()


def test_many_are_asked_for_in_hundreds_and_only_those_not_known(stack: Stack) -> None:
    numbers = [f"+1312556{number:04d}" for number in range(250)]
    look_up(stack, numbers[:30])
    found = look_up(stack, [*numbers, numbers[0]])
    assert list(found) == numbers
    asked_for = [each.body["phone_numbers"] for each in asked(stack, "POST")]
    assert [len(each) for each in asked_for] == [30, 100, 100, 20]
    assert sorted(itertools.chain.from_iterable(asked_for)) == numbers


def test_agents_are_remembered_apart(stack: Stack) -> None:
    number = fresh_number()
    for agent in (AGENT, "acme_alerts_agent", AGENT):
        look_up(stack, [number], agent=agent)
    assert len(paths(stack)) == 2


@pytest.mark.more_rights("the test asks by TTL")
def test_a_result_stands_for_31_days(stack: Stack) -> None:
    number = fresh_number()
    assert capable(stack, number)
    stack.simulator.account.capabilities.set(number, "none")
    begun = clock.now()
    with clock.moved(lambda: begun + REMEMBERED - 60):
        assert capable(stack, number)
    with clock.moved(lambda: begun + REMEMBERED + 60):
        assert not capable(stack, number)

    async def seconds(store: Store) -> int:
        return int(await store.redis.ttl(store.keys.rcs(store.encryption.hide(number))))

    assert REMEMBERED - 60 < stack.ask(seconds) <= REMEMBERED


def test_afresh_asks_again(stack: Stack) -> None:
    number = fresh_number()
    assert capable(stack, number)
    stack.simulator.account.capabilities.set(number, "none")
    assert not look_up(stack, [number], afresh=True)[number].capable
    assert not capable(stack, number)


@pytest.mark.parametrize(
    ("capability", "status", "forgotten"),
    [
        ("full", "delivery_failed", True),
        ("full", "sending_failed", True),
        ("full", "expired", True),
        ("full", "delivered", False),
        ("full", "delivery_unconfirmed", False),
        ("none", "delivered", True),
        ("none", "read", True),
        ("none", "delivery_failed", False),
    ],
)
def test_what_a_message_contradicts_is_forgotten(
    stack: Stack, capability: Any, status: str, *, forgotten: bool
) -> None:
    stack.start_worker(rcs_capabilities.router)
    number = fresh_number()
    stack.simulator.account.capabilities.set(number, capability)
    capable(stack, number)
    payload = finalized_rcs(status, number) | {"from": {"agent_id": AGENT}}
    event = envelope("message.finalized", payload)
    stack.deliver(event)
    assert stack.ended(event).handlers["rcs_capabilities"].reason == (None if forgotten else "as_known")
    capable(stack, number)
    assert len(paths(stack)) == (2 if forgotten else 1)


@pytest.mark.parametrize(
    "changes",
    [{"type": "SMS"}, {"direction": "inbound"}, {"from": {"agent_id": "acme_alerts_agent"}}],
    ids=["sms", "inbound", "another agent"],
)
def test_what_says_nothing_about_it_changes_nothing(stack: Stack, changes: dict[str, Any]) -> None:
    stack.start_worker(rcs_capabilities.router)
    number = fresh_number()
    capable(stack, number)
    payload = finalized_rcs("delivery_failed", number) | {"from": {"agent_id": AGENT}} | changes
    event = envelope("message.finalized", payload)
    stack.deliver(event)
    assert stack.ended(event).state == "done"
    capable(stack, number)
    assert len(paths(stack)) == 1


def test_what_was_answered_before_an_error_is_kept(stack: Stack) -> None:
    numbers = [f"+1312557{number:04d}" for number in range(150)]
    with pytest.raises(BadRequestError):
        look_up(stack, [*numbers, "no number"])
    look_up(stack, numbers)
    sizes = [len(each.body["phone_numbers"]) for each in asked(stack, "POST")]
    assert sizes == [100, 51, 50]
