"""Workers heal at their start, hourly, and after an outage; one of them at a time, and nothing is told twice."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest
from structlog.testing import capture_logs

from service import Router, clock
from service.healing import healer as module
from service.healing import missed_deliveries
from service.healing.healer import Healer, healing
from service.monitoring.notifications import message
from service.outbound.client import open_reader
from service.store.effects.rate_limits import BlockSignal, CallReport, report
from service.store.facts import notices
from service.store.inbox.healing import end_turn, note_messages_read, note_turn, state_of, take_turn
from tests.healing.missed import HOUR, failed, installed
from tests.healing.test_missed_deliveries import body
from tests.stack import Stack
from tests.waiting import wait_for

T = TypeVar("T")
DELIVERIES = "/webhook_deliveries"


def with_healer(stack: Stack, work: Callable[[Healer], Awaitable[T]]) -> T:
    """Do something with the healer of a new worker."""

    async def run() -> T:
        async with open_reader(stack.settings) as telnyx:
            return await work(Healer(stack.settings, telnyx, stack.store, asyncio.Event()))

    return stack.host.portal.call(run)


def looks(stack: Stack, *steps: Callable[[Healer], object]) -> list[int]:
    """The turns in each look of one worker, with a step before each."""

    async def run(healer: Healer) -> list[int]:
        counts = []
        for step in steps:
            step(healer)
            before = asked(stack)
            await healer.look()
            counts.append(asked(stack) - before)
        return counts

    return with_healer(stack, run)


def asked(stack: Stack) -> int:
    """How many turns there were: each reads a short list twice, first for its facts."""
    requests = sum(each.path == DELIVERIES for each in stack.simulator.requests)
    assert requests % 2 == 0
    return requests // 2


def nothing(_: Healer) -> None:
    return


def without_wish(healer: Healer) -> None:
    """Let a worker not want the turn of its start."""
    healer._asked = False


def test_a_turn_is_taken_at_the_start_hourly_and_when_redis_is_back(public_stack: Stack) -> None:
    assert looks(public_stack, nothing, nothing, lambda healer: healer.restored.set(), nothing) == [1, 0, 1, 0]
    public_stack.ask(lambda store: note_turn(store, clock.now() - HOUR - 1, failed=0))
    # A new worker: its start, and not another turn for the hour.
    assert looks(public_stack, nothing, nothing) == [1, 0]
    public_stack.ask(lambda store: note_turn(store, clock.now() - HOUR - 1, failed=0))
    assert looks(public_stack, without_wish) == [1]


@pytest.mark.parametrize("ahead", [120.0, -120.0])
def test_a_worker_whose_clock_is_off_takes_the_turn_that_an_outage_calls_for(public_stack: Stack, ahead: float) -> None:
    looks(public_stack, nothing)
    with clock.moved(lambda: time.time() + ahead):
        assert looks(public_stack, without_wish, lambda healer: healer.restored.set(), nothing) == [0, 1, 0]


def test_the_first_start_heals_nothing_from_before_it(public_stack: Stack) -> None:
    failed(public_stack, body(), ago=60)
    looks(public_stack, nothing)
    assert public_stack.ask(lambda store: store.redis.zcard(store.keys.events)) == 0


@pytest.mark.parametrize("ahead", [120.0, -120.0])
def test_a_worker_whose_clock_is_off_begins_healing_at_the_time_of_redis(public_stack: Stack, ahead: float) -> None:
    first = clock.now() - 0.001
    with clock.moved(lambda: time.time() + ahead):
        looks(public_stack, nothing)
    state = public_stack.ask(state_of)
    assert state is not None
    assert first <= state.since <= clock.now()


def test_without_a_public_url_only_the_first_start_is_noted(stack: Stack) -> None:
    assert looks(stack, nothing) == [0]
    assert stack.ask(state_of) is not None
    assert stack.simulator.requests == []


def test_another_workers_turn_serves_and_two_never_heal_at_once(public_stack: Stack) -> None:
    stack = public_stack

    async def run(healer: Healer) -> list[int]:
        counts = []
        assert await take_turn(stack.store, "another")
        await healer.look()
        counts.append(asked(stack))
        await end_turn(stack.store)
        await Healer(stack.settings, healer.telnyx, stack.store, asyncio.Event()).look()
        counts.append(asked(stack))
        await healer.look()
        return [*counts, asked(stack)]

    assert with_healer(stack, run) == [0, 1, 1]


def test_an_outage_of_telnyx_is_waited_out_and_the_turn_is_taken_again(public_stack: Stack) -> None:
    stack, missed = public_stack, body()
    installed(stack)
    failed(stack, missed)
    stack.simulator.add_fault(kind="status", status=503, path=DELIVERIES, times=2)

    async def run(healer: Healer) -> list[float]:
        pauses = []
        for _ in range(3):
            await healer.look()
            pauses.append(healer.pause)
        return pauses

    assert with_healer(stack, run) == [1.0, 2.0, module.LOOK]
    assert stack.recorded(missed["data"]["id"]).arrived_by == "healed"


def test_the_end_of_an_outage_at_telnyx_calls_for_a_turn(public_stack: Stack) -> None:
    stack = public_stack

    async def run(healer: Healer) -> list[int]:
        await healer.look()
        fails = BlockSignal("outage", "fails", "503", "wait", interval=1000, longest=1000, quiet=1000)
        await report(stack.store, "event", CallReport([fails], alive=False))
        counts = [asked(stack)]
        await healer.look()
        counts.append(asked(stack))
        await report(stack.store, "event", CallReport([BlockSignal("outage", "lifts")], alive=True))
        await healer.look()
        return [*counts, asked(stack)]

    assert with_healer(stack, run) == [1, 1, 2]


def test_messages_under_way_are_looked_at_every_15_minutes(public_stack: Stack) -> None:
    looks(public_stack, nothing)
    before = public_stack.ask(state_of)
    public_stack.ask(lambda store: note_messages_read(store, clock.now() - 901))
    looks(public_stack, without_wish)
    after = public_stack.ask(state_of)
    assert before is not None
    assert after is not None
    assert after.turn_at == before.turn_at
    assert after.messages_at == pytest.approx(clock.now(), abs=30)


def test_people_are_told_once_with_counts(public_stack: Stack) -> None:
    stack = public_stack
    installed(stack)
    for _ in range(3):
        failed(stack, body())
    looks(stack, nothing, lambda healer: healer.restored.set())
    told = [message(each) for each in stack.ask(notices.take)]
    text = "3 events had not arrived, and are processed now: message.received 3\n→ ringback events list"
    assert told == [("Ringback: missed events were healed", text)]


def test_uncertain_events_are_counted_in_the_log(public_stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(missed_deliveries, "KEY_IS_HONOURED", 60_000)
    installed(public_stack)
    for _ in range(2):
        failed(public_stack, body(), ago=600, answers=[(public_stack.settings.require_public_url(), 200)])
    with capture_logs() as logs:
        looks(public_stack, nothing)
    [logged] = [each for each in logs if each["log_level"] == "error"]
    assert (logged["number"], logged["next"]) == (2, "ringback heal --since 7d --uncertain")


def test_a_worker_notices_that_redis_is_back(public_stack: Stack) -> None:
    worker = public_stack.start_worker(Router())
    wait_for(lambda: worker._processor is not None)
    assert not worker.redis_returned.is_set()
    failures = [ConnectionError(), ConnectionError()]

    async def step() -> str:
        if failures:
            raise failures.pop()
        return "done"

    async def retry() -> str:
        return await worker._retry(step)

    assert public_stack.host.portal.call(retry) == "done"
    assert worker.redis_returned.is_set()


def test_healing_runs_beside_a_worker_until_its_end(public_stack: Stack) -> None:
    stack, missed = public_stack, body()
    installed(stack)
    failed(stack, missed)

    async def work(done: asyncio.Event) -> None:
        async with healing(stack.settings, stack.redis_url, asyncio.Event()):
            await done.wait()

    async def event() -> asyncio.Event:
        return asyncio.Event()

    done = stack.host.portal.call(event)
    working = stack.host.portal.start_task_soon(work, done)
    wait_for(lambda: stack.record(missed["data"]["id"]))
    stack.host.portal.call(done.set)
    working.result(timeout=5)
