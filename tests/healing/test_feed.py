"""A backlog of healed events never stands before the events that arrive meanwhile."""

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from service import Context, Event, Router
from service.healing import feed as module
from service.store.inbox.healing import has_worker
from tests.healing.missed import failed, heal, installed
from tests.healing.test_missed_deliveries import body
from tests.stack import Stack
from tests.telnyx_events import envelope
from tests.waiting import wait_for


@pytest.fixture
def release() -> Iterator[threading.Event]:
    """What the handlers wait for. A test that fails releases them too: the stack waits for their threads."""
    released = threading.Event()
    yield released
    released.set()


def hanging(begun: list[str], hold: threading.Event) -> Router:
    router = Router()

    @router.on("message.received")
    async def hang(event: Event, ctx: Context) -> None:
        begun.append(event.id)
        await asyncio.to_thread(hold.wait)

    @router.on("test.live")
    async def live(event: Event, ctx: Context) -> None:
        return

    return router


def start_worker(stack: Stack, router: Router, **changes: Any) -> None:
    """Start a worker, and wait until others can see that it lives."""
    stack.start_worker(router, **changes)
    wait_for(lambda: stack.ask(has_worker))


def test_few_healed_events_are_due_or_run_at_once_and_a_new_one_does_not_wait_for_the_others(
    public_stack: Stack, release: threading.Event
) -> None:
    stack, begun = public_stack, list[str]()
    installed(stack)
    for _ in range(30):
        failed(stack, body())
    start_worker(stack, hanging(begun, release))
    healing = stack.host.portal.start_task_soon(asyncio.to_thread, heal, stack)
    wait_for(lambda: len(begun) == module.AT_ONCE)

    live = envelope("test.live", {})
    stack.deliver(live)
    assert stack.ended(live).state == "done"
    known = stack.ask(lambda store: store.redis.zcard(store.keys.events))
    assert (known, len(begun)) == (module.AT_ONCE + 1, module.AT_ONCE), "the others are not accepted yet"
    release.set()
    assert len(healing.result(timeout=20).healed) == 30
    wait_for(lambda: len(begun) == 30)


@pytest.mark.parametrize("lease", [15.0, 60.0])
def test_a_worker_with_few_slots_gives_a_quarter_of_them(
    public_stack: Stack, release: threading.Event, lease: float
) -> None:
    stack, begun = public_stack, list[str]()
    installed(stack)
    for _ in range(5):
        failed(stack, body())
    start_worker(stack, hanging(begun, release), concurrency=8, lease=lease)

    def run() -> None:
        heal(stack, concurrency=8, lease=lease)

    healing = stack.host.portal.start_task_soon(asyncio.to_thread, run)
    wait_for(lambda: len(begun) == 2)
    live = envelope("test.live", {})
    stack.deliver(live)
    assert stack.ended(live).state == "done"
    known = stack.ask(lambda store: store.redis.zcard(store.keys.events))
    assert (known, len(begun)) == (3, 2), "the others are not accepted yet"
    release.set()
    healing.result(timeout=20)


def test_a_handler_that_takes_too_long_does_not_stop_healing(
    public_stack: Stack, release: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PATIENCE", 0.1)
    stack, begun = public_stack, list[str]()
    installed(stack)
    for _ in range(20):
        failed(stack, body())
    start_worker(stack, hanging(begun, release))
    assert len(heal(stack).healed) == 20
    release.set()
