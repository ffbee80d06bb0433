"""A lone handler runs in the task of its event, and its time-out is one of many on one timer."""

import asyncio

import pytest

from service import Context, Event, Router
from service.worker import worker as worker_module
from tests.stack import Stack
from tests.telnyx_events import envelope
from tests.waiting import wait_for


def test_a_handler_that_cancels_its_task_in_its_last_step_is_done(stack: Stack) -> None:
    router = Router()

    @router.on("test.something")
    async def leave(event: Event, ctx: Context) -> None:
        if (task := asyncio.current_task()) is not None:
            task.cancel()

    stack.start_worker(router)
    stack.deliver(event := envelope("test.something", {}))
    record = stack.ended(event)
    assert (record.state, record.handlers["leave"].runs_counted) == ("done", 1)


def test_a_run_with_less_time_is_cut_off_before_one_that_began_earlier(stack: Stack) -> None:
    router, begun, go = Router(), asyncio.Event(), asyncio.Event()

    @router.on("test.long", timeout=60)
    async def long(event: Event, ctx: Context) -> None:
        begun.set()
        await go.wait()

    @router.on("test.short", timeout=0.1, max_attempts=1)
    async def short(event: Event, ctx: Context) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            go.set()

    stack.start_worker(router)
    stack.deliver(first := envelope("test.long", {}))
    wait_for(begun.is_set)
    stack.deliver(second := envelope("test.short", {}))
    assert stack.ended(second).handlers["short"].error == "took longer than 0.1 s"
    assert stack.ended(first).state == "done"


def test_an_event_whose_handler_ignores_the_end_of_its_worker_is_handed_back(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    router, begun, go = Router(), asyncio.Event(), asyncio.Event()
    monkeypatch.setattr(worker_module, "STOP_TIMEOUT", 0.1)

    @router.on("test.something")
    async def stay(event: Event, ctx: Context) -> None:
        begun.set()
        while not go.is_set():
            try:
                await go.wait()
            except asyncio.CancelledError:
                if task := asyncio.current_task():
                    task.get_loop().call_later(1, go.set)

    worker = stack.start_worker(router, lease=60.0)
    stack.deliver(event := envelope("test.something", {}))
    wait_for(begun.is_set)
    assert worker.processor.leases.running
    stack.workers.close()
    record = stack.recorded(event["data"]["id"])
    assert (record.state, record.leased_until) == ("open", None)
    assert record.handlers["stay"].attempts == 0
