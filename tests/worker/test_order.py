"""Handlers that run the events of one key in the order of acceptance."""

import asyncio
import itertools
from collections import defaultdict
from typing import Any

import pytest

from service import Context, Event, Retry, Router
from service.dashboard.timeline import build
from service.events.other_party import other_number
from service.outbound import gate
from service.store.effects import blocks
from service.store.inbox import dead_letters
from service.store.inbox.accept import NewEvent, accept
from service.store.inbox.maintenance import queue
from service.store.inbox.search import EventFilter
from service.store.operators.audit_log import Actor
from service.store.operators.bulk_jobs import JobRequest, create_job
from service.store.operators.job_runner import carry_out
from service.store.store import Store
from service.worker import ordering
from tests.stack import Stack
from tests.telnyx_events import fresh_number
from tests.waiting import wait_for

NUMBERS = itertools.count()


def numbered(number: str, count: int, event_type: str = "test.one") -> list[NewEvent]:
    """Events of one number, to be accepted at once. The ids do not tell their order."""
    ids = [f"{(each * 7919) % 10_007:05d}-{next(NUMBERS)}-{number}" for each in range(count)]
    return [
        NewEvent.derived(id_, event_type, {"phone_number": number, "n": n}, "webhook", at=None)
        for n, id_ in enumerate(ids)
    ]


def accepted(stack: Stack, events: list[NewEvent]) -> None:
    async def act(store: Store) -> None:
        await accept(store, events)

    stack.ask(act)


class Ran:
    """The runs of a handler by number, and how many ran at once for one number at most."""

    def __init__(self) -> None:
        self.by_number: defaultdict[str, list[int]] = defaultdict(list)
        self._now: defaultdict[str, int] = defaultdict(int)
        self.most = 0

    async def run(self, event: Event[Any], *, seconds: float = 0.001) -> None:
        number = event.payload["phone_number"]
        self._now[number] += 1
        self.most = max(self.most, self._now[number])
        await asyncio.sleep(seconds)
        self._now[number] -= 1
        self.by_number[number].append(event.payload["n"])

    def total(self) -> int:
        return sum(map(len, self.by_number.values()))


def test_events_of_a_number_run_one_after_the_other_in_the_order_of_acceptance(stack: Stack) -> None:
    router, ran = Router(), Ran()

    @router.on("test.one", ordered_by="number")
    async def keep(event: Event, ctx: Context) -> None:
        await ran.run(event)

    several = [numbered(fresh_number(), 20) for _ in range(10)]
    mixed = [event for events in zip(*several, strict=True) for event in events]
    accepted(stack, mixed[:100])
    stack.start_worker(router)
    stack.start_worker(router)
    accepted(stack, mixed[100:])
    wait_for(lambda: ran.total() == 200)
    assert all(each == [*range(20)] for each in ran.by_number.values())
    assert ran.most == 1


def test_a_result_that_most_events_here_wait_for_leaves_at_once(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ordering, "FINISH_INTERVAL", 60.0)
    router, ran = Router(), Ran()

    @router.on("test.one", ordered_by="number")
    async def keep(event: Event, ctx: Context) -> None:
        await ran.run(event)

    accepted(stack, numbered(fresh_number(), 10))
    stack.start_worker(router)
    wait_for(lambda: ran.total() == 10)


def test_one_that_waits_holds_its_own_number_only_and_is_told_of(stack: Stack) -> None:
    router, ran, may_pass = Router(), Ran(), asyncio.Event()

    @router.on("test.one", ordered_by="number", max_attempts=50)
    async def keep(event: Event, ctx: Context) -> None:
        if event.payload["phone_number"] == slow and event.payload["n"] == 0 and not may_pass.is_set():
            raise Retry(after=0.05)
        await ran.run(event)

    slow, other = fresh_number(), fresh_number()
    first, second, third = numbered(slow, 3)
    accepted(stack, [first, second, third, *numbered(other, 3)])
    stack.start_worker(router)
    record = stack.when(
        second.identity,
        lambda record: (
            record.leased_until is None and "keep" in record.handlers and bool(record.handlers["keep"].behind)
        ),
    )
    waiting = record.handlers["keep"]
    assert (waiting.state, waiting.reason, waiting.behind) == ("waiting", "earlier_event", first.identity)
    wait_for(lambda: ran.by_number[other] == [0, 1, 2])
    assert stack.ask(queue).turns == {"keep": 2}
    told = [line.text for line in build(record, [], record.received_at) if line.kind == "wait"]
    assert told == [f"waits for the end of the earlier event {first.identity} (earlier_event)"]
    assert slow not in ran.by_number
    may_pass.set()
    last = stack.ended(third.identity).handlers["keep"]
    assert ran.by_number[slow] == [0, 1, 2]
    assert (last.state, last.reason, last.behind) == ("done", None, None)


def test_one_that_is_dead_lets_the_next_go_and_a_retry_keeps_the_order(stack: Stack) -> None:
    router, ran, broken = Router(), Ran(), [True]

    @router.on("test.one", ordered_by="number", max_attempts=1)
    async def keep(event: Event, ctx: Context) -> None:
        if broken and event.payload["n"] < 3:
            raise ValueError
        await ran.run(event)

    number = fresh_number()
    events = numbered(number, 4)
    accepted(stack, events)
    stack.start_worker(router)
    assert stack.ended(events[3].identity).state == "done"
    assert ran.by_number[number] == [3]
    assert [stack.recorded(each.identity).state for each in events[:3]] == ["dead"] * 3
    broken.clear()
    latest_first = [each.identity for each in reversed(events[:3])]
    stack.ask(lambda store: dead_letters.retry(store, latest_first, by="ops"))
    wait_for(lambda: ran.total() == 4)
    assert ran.by_number[number] == [3, 0, 1, 2]


def test_a_worker_that_does_not_order_a_handler_leaves_its_events_alone(stack: Stack) -> None:
    router, before, ran = Router(), Router(), Ran()
    others: list[str] = []

    @router.on("test.one", ordered_by="number")
    async def keep(event: Event, ctx: Context) -> None:
        await ran.run(event)

    @before.on("test.one", name="keep")
    async def without_order(event: Event, ctx: Context) -> None:
        others.append(event.id)

    @before.on("test.other")
    async def other(event: Event, ctx: Context) -> None:
        others.append("other")

    number = fresh_number()
    accepted(stack, numbered(number, 1))
    stack.start_worker(router)
    wait_for(lambda: ran.total() == 1)
    stack.workers.close()
    old = stack.start_worker(before)
    accepted(stack, [*numbered(number, 3), *numbered(number, 1, "test.other")])
    wait_for(lambda: others == ["other"])
    wait_for(lambda: not old.processor.leases.running)
    stack.start_worker(router)
    wait_for(lambda: ran.total() == 4)
    assert others == ["other"]


def test_a_pause_holds_the_order_and_an_event_without_a_number_needs_none(stack: Stack) -> None:
    router, ran, others = Router(), Ran(), list[str]()

    @router.on("test.one", ordered_by="number")
    async def keep(event: Event, ctx: Context) -> None:
        if "phone_number" in event.payload:
            await ran.run(event)
        else:
            others.append(event.id)

    number = fresh_number()
    first, *rest = numbered(number, 5)
    stack.ask(lambda store: blocks.pause(store, "keep"))
    accepted(stack, [first, *rest[:2]])
    stack.start_worker(router)
    stack.when(first.identity, lambda record: "keep" in record.handlers and record.handlers["keep"].state == "parked")
    accepted(stack, rest[2:])
    stack.ask(lambda store: blocks.resume(store, "keep"))
    unnumbered = NewEvent.derived("unnumbered", "test.one", {"n": 0}, "webhook", at=None)
    accepted(stack, [unnumbered])
    wait_for(lambda: ran.total() == 5 and others == ["unnumbered"])
    assert ran.by_number[number] == [*range(5)]


def test_a_block_at_telnyx_holds_the_order_until_it_is_lifted(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "ACCOUNT_PROBE", 0.25)
    monkeypatch.setattr(stack.simulator, "api_key", "KEY-right")
    router = Router()

    @router.on("test.one", ordered_by="number")
    async def send(event: Event, ctx: Context) -> None:
        text = str(event.payload["n"])
        await ctx.telnyx.messages.send(to=event.payload["phone_number"], from_="+13125550199", text=text)

    numbers = [fresh_number(), fresh_number()]
    several = [numbered(each, 4) for each in numbers]
    stack.start_worker(router)
    accepted(stack, [event for events in zip(*several, strict=True) for event in events])
    first = stack.when(
        several[0][0].identity, lambda record: "send" in record.handlers and record.handlers["send"].state == "parked"
    )
    assert first.handlers["send"].reason == "credentials"
    monkeypatch.setattr(stack.simulator, "api_key", None)
    for events in several:
        assert stack.ended(events[-1].identity).state == "done"
    assert [[each.body["text"] for each in stack.sent_to(number)] for number in numbers] == [["0", "1", "2", "3"]] * 2


def test_a_whole_bulk_job_keeps_the_order_of_what_it_retries(stack: Stack) -> None:
    router, ran, broken = Router(), Ran(), [True]

    @router.on("test.one", ordered_by="number", max_attempts=1)
    async def keep(event: Event, ctx: Context) -> None:
        if broken:
            raise ValueError
        await ran.run(event)

    numbers = [fresh_number() for _ in range(5)]
    several = [numbered(each, 8) for each in numbers]
    accepted(stack, [event for events in several for event in events])
    stack.start_worker(router)
    for events in several:
        assert stack.ended(events[-1].identity).state == "dead"
    broken.clear()

    async def retry_all(store: Store) -> None:
        request = JobRequest("retry", EventFilter(died="keep"))
        await carry_out(store, await create_job(store, request, Actor("ann", "dashboard")))

    stack.ask(retry_all)
    wait_for(lambda: ran.total() == 40)
    assert [ran.by_number[each] for each in numbers] == [[*range(8)]] * 5
    assert ran.most == 1


def test_a_key_of_the_authors_orders_and_one_that_fails_is_dead_alone(stack: Stack) -> None:
    router, ran = Router(), Ran()

    def key(event: Event[Any]) -> str | None:
        return None if event.payload["n"] == 0 else f"key {6 // (event.payload['n'] - 3)}"

    @router.on("test.one", ordered_by=key)
    async def keep(event: Event, ctx: Context) -> None:
        await ran.run(event)

    events = numbered(fresh_number(), 5)
    accepted(stack, events)
    stack.start_worker(router)
    ended = [stack.ended(each.identity).handlers["keep"] for each in events]
    assert [(each.state, each.reason) for each in ended][3] == ("dead", "order_key")
    assert [each.state for each in ended].count("done") == 4
    assert "ZeroDivisionError" in str(ended[3].error)


@pytest.mark.parametrize(
    ("event_type", "payload", "number"),
    [
        (
            "message.received",
            {"from": {"phone_number": "+1 312 555 0142"}, "to": [{"phone_number": "+13125550100"}]},
            "+13125550142",
        ),
        ("message.finalized", {"direction": "outbound", "to": [{"phone_number": "+13125550142"}]}, "+13125550142"),
        ("call.initiated", {"direction": "incoming", "from": "+13125550142", "to": "+13125550100"}, "+13125550142"),
        ("message.finalized", {"to": {"phone_number": "+13125550142"}}, "+13125550142"),
        ("10dlc.phone_number.update", {"phone_number": "+13125550142"}, "+13125550142"),
        ("number_order.complete", {"phone_numbers": [{"phone_number": "+13125550142"}]}, None),
    ],
)
def test_the_number_is_that_of_the_other_party(event_type: str, payload: dict[str, Any], number: str | None) -> None:
    assert other_number(event_type, payload) == number
