"""The backlog of a handler: the events that it has left open, counted without a look at any of them."""

import pytest

from service import Context, Discard, Event, Retry, Router
from service.store.effects.blocks import pause
from service.store.inbox.audit import audit, repair
from service.store.inbox.maintenance import Backlog, queue
from service.store.store import Store
from tests.pending import pending
from tests.stack import Stack
from tests.telnyx_events import envelope
from tests.waiting import wait_for


def backlogs(stack: Stack) -> dict[str, Backlog]:
    return dict(stack.ask(queue).backlogs)


def test_a_handler_that_leaves_events_open_has_a_backlog_until_they_end(stack: Stack) -> None:
    router, may_end = Router(), list[bool]()

    @router.on("test.slow")
    async def slow(event: Event, ctx: Context) -> None:
        if not may_end:
            raise Retry(after=0.2)

    @router.on("test.slow", "test.plain")
    async def quick(event: Event, ctx: Context) -> None: ...

    stack.start_worker(router)
    events = [envelope("test.slow", {}) for _ in range(3)]
    for event in (*events, plain := envelope("test.plain", {})):
        stack.deliver(event)
    stack.ended(plain)
    wait_for(lambda: backlogs(stack)["slow"].events == 3)
    # The age counts from the first run, not from the last retry.
    wait_for(lambda: backlogs(stack)["slow"].age > 0.5)
    assert backlogs(stack)["quick"] == Backlog(0, 0)
    may_end.append(True)
    for event in events:
        assert stack.ended(event).state == "done"
    assert backlogs(stack) == {"slow": Backlog(0, 0), "quick": Backlog(0, 0)}
    assert stack.ask(audit).clean


def test_a_paused_handler_has_a_backlog_and_quiet_hours_make_none(stack: Stack) -> None:
    router = Router()

    @router.on("test.paused")
    async def paused(event: Event, ctx: Context) -> None: ...

    @router.on("test.paused")
    async def by_night(event: Event, ctx: Context) -> None:
        raise Retry(after=3600, reason="quiet_hours")

    @router.on("test.paused")
    async def dies(event: Event, ctx: Context) -> None:
        raise ValueError

    stack.ask(lambda store: pause(store, "paused"))
    stack.start_worker(router, max_attempts=1)
    event = envelope("test.paused", {})
    stack.deliver(event)
    expected = {"parked", "waiting", "dead"}
    stack.when(event, lambda record: {each.state for each in record.handlers.values()} == expected)
    wait_for(lambda: backlogs(stack)["paused"].events == 1)
    assert {name: each.events for name, each in backlogs(stack).items()} == {"paused": 1, "by_night": 0, "dies": 0}
    assert stack.ask(audit).clean


def test_an_event_that_ends_at_once_writes_nothing_of_a_backlog(stack: Stack) -> None:
    router = Router()

    @router.on("test.plain")
    async def quick(event: Event, ctx: Context) -> None:
        raise Discard("nothing_to_do")

    stack.start_worker(router)
    event = envelope("test.plain", {})
    stack.deliver(event)
    stack.ended(event)

    async def keys(store: Store) -> list[bytes]:
        return [each async for each in store.redis.scan_iter(f"{store.keys.namespace}:backlog*")]

    assert stack.ask(keys) == []


@pytest.mark.parametrize("is_missing", [True, False])
def test_the_audit_finds_a_wrong_place_and_repairs_it(stack: Stack, *, is_missing: bool) -> None:
    router = Router()

    @router.on("test.any")
    async def note(event: Event, ctx: Context) -> None:
        if event.payload["waits"]:
            raise Retry(after=3600)

    stack.start_worker(router)
    event = envelope("test.any", {"waits": is_missing})
    event_id = event["data"]["id"]
    stack.deliver(event)
    stack.when(event, lambda record: "note" in record.handlers and record.handlers["note"].state in {"waiting", "done"})
    wait_for(lambda: backlogs(stack)["note"].events == int(is_missing))

    async def damage(store: Store) -> None:
        names, key = f"{store.keys.namespace}:backlog", f"{store.keys.namespace}:backlog:note"
        if is_missing:
            await store.redis.zrem(key, event_id)
        else:
            await pending(store.redis.sadd(names, "note"))
            await store.redis.zadd(key, {event_id: 1})

    stack.ask(damage)
    found = stack.ask(audit)
    [difference] = found.differences
    assert difference.event_id == event_id
    assert "the backlog of note" in difference.findings[0]
    stack.ask(lambda store: repair(store, found))
    assert stack.ask(audit).clean
    assert backlogs(stack)["note"].events == int(is_missing)
