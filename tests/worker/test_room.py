"""The places of a worker: one is free as soon as the handlers of its event have ended."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from service import Context, Event, Router
from service.store.inbox.accept import NewEvent, accept
from service.store.inbox.leases import FINISHED_AT_ONCE, HandlerResults, finish
from service.store.store import Store
from service.worker import open_processor
from tests.stack import Stack
from tests.store.test_wake_up import is_waiting
from tests.telnyx_events import envelope
from tests.waiting import wait_for


class SlowResults:
    """Redis, which records no result before `go`."""

    def __init__(self) -> None:
        self.go = False

    async def __call__(self, store: Store, endings: Sequence[HandlerResults], **options: Any) -> list[str]:
        while not self.go:  # noqa: ASYNC110 - set by the test, in another thread
            await asyncio.sleep(0.005)
        return await finish(store, endings, **options)


def test_others_run_while_results_are_on_their_way_but_not_without_bound(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow, router, ran = SlowResults(), Router(), list[str]()
    monkeypatch.setattr(open_processor, "finish", slow)

    @router.on("test.room")
    async def note(event: Event, ctx: Context) -> None:
        ran.append(event.id)

    bodies = [envelope("test.room", {}) for _ in range(5)]
    for body in bodies:
        stack.deliver(body)
    worker = stack.start_worker(router, concurrency=1)
    wait_for(lambda: len(ran) == 2)
    # It has room for no third one, and waits.
    wait_for(lambda: worker.processor.leases.finishing() == 2 and not worker.processor.leases.room.is_set())
    assert len(ran) == len(worker.tasks) == 2
    slow.go = True
    assert {stack.ended(body).state for body in bodies} == {"done"}
    assert len(ran) == len(set(ran)) == 5


def test_the_next_claim_waits_at_redis_while_results_are_on_their_way(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such events cannot block the event loop. So the server may claim others for this worker."""
    slow, router, ran = SlowResults(), Router(), list[str]()
    monkeypatch.setattr(open_processor, "finish", slow)

    @router.on("test.room")
    async def note(event: Event, ctx: Context) -> None:
        ran.append(event.id)

    stack.deliver(first := envelope("test.room", {}))
    stack.start_worker(router)
    wait_for(lambda: ran)
    stack.ask(lambda store: asyncio.wait_for(is_waiting(store, with_claim=True), 30))
    slow.go = True
    assert stack.ended(first).state == "done"


def test_handlers_of_no_more_events_than_the_concurrency_run_at_once(stack: Stack) -> None:
    router, running, most = Router(), set[str](), list[int]()

    @router.on("test.room")
    async def note(event: Event, ctx: Context) -> None:
        running.add(event.id)
        most.append(len(running))
        for _ in range(3):
            await asyncio.sleep(0)
        running.remove(event.id)

    bodies = [envelope("test.room", {}) for _ in range(40)]
    for body in bodies:
        stack.deliver(body)
    stack.start_worker(router, concurrency=4)
    assert {stack.ended(body).state for body in bodies} == {"done"}
    assert max(most) <= 4


def test_results_that_come_at_once_are_recorded_in_small_batches(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    number, sizes, begun, all_have_begun = 2 * FINISHED_AT_ONCE + 1, list[int](), list[str](), asyncio.Event()

    async def noted(store: Store, endings: Sequence[HandlerResults], **options: Any) -> list[str]:
        sizes.append(len(endings))
        return await finish(store, endings, **options)

    monkeypatch.setattr(open_processor, "finish", noted)
    router = Router()

    @router.on("test.room")
    async def end_together(event: Event, ctx: Context) -> None:
        begun.append(event.id)
        if len(begun) == number:
            all_have_begun.set()
        await all_have_begun.wait()

    events = [NewEvent(str(each), "test.room", b'{"data":{}}', "webhook") for each in range(number)]
    stack.ask(lambda store: accept(store, events))
    stack.start_worker(router, concurrency=number)
    assert {stack.ended(each.identity).state for each in events} == {"done"}
    assert max(sizes) == FINISHED_AT_ONCE
