"""Retention, room and repair: in small steps, and always with the sum in order."""

import asyncio
import statistics
import warnings
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from redis.exceptions import ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError
from structlog.testing import capture_logs

from service import Context, Discard, Event, Router
from service.store.inbox import accept, maintenance
from service.store.inbox.audit import audit
from service.store.inbox.handler_records import HandlerRecord
from service.store.inbox.leases import ClaimRequest, HandlerResults, claim, finish
from service.store.store import Store
from service.worker import maintenance as upkeep_module
from service.worker.maintenance import Maintenance
from tests.pending import pending
from tests.stack import Stack
from tests.telnyx_events import envelope, fresh_number
from tests.waiting import wait_for


def three_ends() -> Router:
    router = Router()

    @router.on("test.something")
    async def one(event: Event, ctx: Context) -> None:
        if event.payload["end"] == "dead":
            raise ValueError

    @router.on("test.something")
    async def two(event: Event, ctx: Context) -> None:
        raise Discard("for_a_reason")

    return router


def something(end: str = "done") -> dict[str, Any]:
    return envelope("test.something", {"end": end, "number": fresh_number(), "text": "x" * 1500})


def ended_events(stack: Stack, *ends: str) -> list[dict[str, Any]]:
    stack.start_worker(three_ends(), max_attempts=1)
    events = [something(end) for end in ends]
    for event in events:
        stack.deliver(event)
    for event in events:
        stack.ended(event)
    stack.workers.close()
    return events


def keeping_up(stack: Stack, **changes: Any) -> None:
    """One round of upkeep, under other settings."""
    settings = stack.settings.model_copy(update=changes)

    async def turn(store: Store) -> None:
        await store.redis.delete(f"{store.namespace}:maintenance")
        await Maintenance(settings, store, "worker").run_once()

    stack.ask(turn)


def test_nothing_is_forgotten_before_its_time(stack: Stack) -> None:
    events = ended_events(stack, "done", "dead")
    keeping_up(stack)
    for event in events:
        assert stack.recorded(event["data"]["id"]).body is not None


def test_the_body_of_an_event_that_ended_well_goes_and_its_outcome_stays_in_200_bytes(stack: Stack) -> None:
    done, dead = ended_events(stack, "done", "dead")
    keeping_up(stack, body_retention=0.0)

    record = stack.record(done["data"]["id"])
    assert record is not None
    assert (record.state, record.type, record.body) == ("done", "test.something", None)
    assert {name: (each.state, each.reason) for name, each in record.handlers.items()} == {
        "one": ("done", None),
        "two": ("done", "for_a_reason"),
    }
    fields = stack.ask(lambda store: _fields(store, done["data"]["id"]))
    assert sum(len(name) + len(value) for name, value in fields.items()) <= 200
    assert stack.recorded(dead["data"]["id"]).body is not None
    assert stack.deliver(done).json() == {"status": "duplicate"}
    assert stack.recorded(done["data"]["id"]).state == "done"
    assert stack.ask(audit).clean


async def _fields(store: Store, event_id: str) -> dict[bytes, bytes]:
    fields: dict[bytes, bytes] = await pending(store.redis.hgetall(store.keys.event(event_id)))
    return fields


@pytest.mark.more_rights("the test asks by MEMORY USAGE")
def test_a_remembered_event_takes_the_memory_of_a_record_that_was_always_small(stack: Stack) -> None:
    [done] = ended_events(stack, "done")
    assert stack.ask(lambda store: _memory(store, done["data"]["id"])) > 500
    keeping_up(stack, body_retention=0.0)
    assert stack.ask(lambda store: _memory(store, done["data"]["id"])) < 350


async def _memory(store: Store, event_id: str) -> int:
    taken: int = await pending(store.redis.memory_usage(store.keys.event(event_id)))
    return taken


def test_retention_lowers_both_sides_and_what_is_forgotten_may_come_again(stack: Stack) -> None:
    done, dead = ended_events(stack, "done", "dead")
    stack.deliver(waiting := something())
    keeping_up(stack, retention=0.0)
    counts = stack.ask(accept.counts)
    assert (counts.accepted, counts.done, counts.dead, counts.open) == (2, 0, 1, 1)
    assert stack.ask(audit).clean
    assert stack.record(done["data"]["id"]) is None
    assert stack.record(waiting["data"]["id"]) is not None
    assert stack.deliver(done).json() == {"status": "accepted"}

    keeping_up(stack, dead_retention=0.0)
    assert stack.record(dead["data"]["id"]) is None
    assert stack.ask(audit).clean


def test_an_open_event_that_fell_out_of_the_queue_is_put_back(stack: Stack) -> None:
    stack.deliver(event := something())

    async def meddle(store: Store) -> None:
        await store.redis.delete(store.keys.queue)

    stack.ask(meddle)
    assert not stack.ask(audit).clean
    keeping_up(stack)
    assert stack.ask(audit).clean
    stack.start_worker(three_ends())
    assert stack.ended(event).state == "done"


def test_one_worker_at_a_time_does_the_upkeep(stack: Stack) -> None:
    async def take(worker: str) -> bool:
        ages = {"retention": 60.0, "dead_retention": 60.0, "body_retention": 60.0}
        return (await maintenance.due(stack.store, worker, lock=5, first=0, **ages)).is_ours

    asked = [stack.host.portal.call(take, worker) for worker in ("one", "other", "one")]
    assert asked == [True, False, True]


def test_a_worker_keeps_up_beside_its_events(stack: Stack) -> None:
    stack.start_worker(three_ends(), body_retention=0.05)
    stack.deliver(event := something())
    stack.ended(event)
    wait_for(lambda: stack.recorded(event["data"]["id"]).body is None)


def test_the_upkeep_ends_whenever_it_is_cancelled(stack: Stack) -> None:
    """redis-py on Python 3.11 loses about every third cancellation that arrives while it sends."""

    async def cancel_after(steps: int) -> None:
        task = asyncio.create_task(Maintenance(stack.settings, stack.store, "worker").run_forever())
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        _, running = await asyncio.wait([task], timeout=5)
        assert not running

    async def cancel_often() -> None:
        for steps in range(200):
            await cancel_after(steps % 20)

    stack.host.portal.call(cancel_often)


async def accept_256(store: Store, first: int) -> None:
    body = b'{"data":{"payload":{"text":"' + b"x" * 1500 + b'"}}}'
    await accept.accept(store, [accept.NewEvent(f"e{first + n}", "test.x", body, "webhook") for n in range(256)])


@pytest.mark.slow
@pytest.mark.timeout(120)
@pytest.mark.filterwarnings("default::UserWarning")  # it tells what was measured
def test_no_script_holds_the_server_for_long_over_100_000_open_events(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server's own slow log compares the scripts with accepts of 256 events, taken in turn with them.

    Both share the trouble of a busy machine: a script that takes longer than an accept does so in most turns.
    """
    monkeypatch.setattr(upkeep_module, "MAX_STEPS", 10)

    async def fill(store: Store) -> None:
        for first in range(0, 100_000, 256):
            await accept_256(store, first)
        for number in range(1, 101):
            request = ClaimRequest("w", number, lease=60, limit=100, routes={"one": ["*"]})
            leases = (await claim(store, request)).leases
            done = {"one": HandlerRecord("done")}
            await finish(store, [HandlerResults.of(lease, done, release=True) for lease in leases])

    async def log_slow_scripts(store: Store) -> None:
        await store.redis.config_set("slowlog-max-len", 10_000)
        await store.redis.config_set("slowlog-log-slower-than", 100)

    async def durations(store: Store) -> list[int]:
        entries = await store.redis.slowlog_get(10_000)
        await store.redis.slowlog_reset()
        return [entry["duration"] for entry in entries if entry["command"].startswith(b"EVALSHA")]

    stack.ask(fill)
    stack.ask(log_slow_scripts)
    accepts: list[int] = []
    scripts: list[int] = []
    ages = [{"body_retention": 0.0}] * 20 + [{"retention": 0.0}] * 20
    for turn, age in enumerate(ages):
        stack.ask(durations)
        stack.ask(partial(accept_256, first=200_000 + 256 * turn))
        accepts += stack.ask(durations)
        keeping_up(stack, **age)
        scripts += stack.ask(durations)
    assert stack.ask(accept.counts).accepted == 391 * 256 - 10_000 + 40 * 256
    assert (len(accepts), len(scripts) >= 40) == (40, True)
    typical = statistics.median(accepts)
    slower = sum(each > typical for each in scripts)
    told = f"{len(scripts)} scripts, of {statistics.median(scripts):.0f} µs; slower than {typical:.0f} µs: {slower}"
    warnings.warn(told, UserWarning, stacklevel=1)
    assert slower <= len(scripts) / 20, "a noisy machine may stall a few, what is too long is slow each time"


@pytest.mark.more_rights("the test asks by MONITOR")
def test_a_worker_without_anything_due_asks_the_server_once_a_turn(stack: Stack) -> None:
    async def second_turn(store: Store) -> tuple[bool, int]:
        upkeep = Maintenance(stack.settings, store, "worker")
        await upkeep.run_once()
        async with store.redis.monitor() as commands:
            is_idle = await upkeep.run_once()
            await store.redis.ping()
            asked = []
            async for each in commands.listen():
                if each["command"].startswith("PING"):
                    break
                # A new connection to a cluster asks who owns its slot.
                if each["client_type"] != "lua" and each["command"] != "CLUSTER SLOTS":
                    asked.append(each["command"])
        return is_idle, len(asked)

    stack.deliver(something())
    assert stack.ask(second_turn) == (True, 1)


STEPS = (
    "probe",
    "release",
    "expire",
    "prune_bodies",
    "memory_share",
    "sweep",
    "log_dead",
    "move_opt_outs",
    "erase_ended",
)


@pytest.mark.parametrize("broken", STEPS)
@pytest.mark.parametrize("error", [TypeError("a bug"), ResponseError("user_script:1: junk"), RedisTimeoutError()])
def test_a_step_that_fails_for_ever_starves_none_of_the_others(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, broken: str, error: Exception
) -> None:
    taken = []

    def note(name: str) -> None:
        real = getattr(upkeep_module, name)

        async def noting(*args: Any, **options: Any) -> Any:
            taken.append(name)
            if name == broken:
                raise error
            return await real(*args, **options)

        monkeypatch.setattr(upkeep_module, name, noting)

    async def all_due(*args: Any, **options: Any) -> maintenance.MaintenanceDue:
        found = await maintenance.due(*args, **options)
        steps = frozenset({"probe", "release", "forget", "prune", "sweep", "log_dead", "erase_ended"})
        return replace(found, steps=steps, memory_share=0.9)

    monkeypatch.setattr(upkeep_module, "due", all_due)
    for name in STEPS:
        note(name)
    with capture_logs() as logs:
        keeping_up(stack)
    assert set(taken) == set(STEPS)
    failures = {each["step"] for each in logs if each["log_level"] in ("error", "warning")}
    assert 1 <= len(failures) <= 2
