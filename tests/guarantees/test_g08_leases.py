"""G4, G8 and the races of leases: stopped and blocked workers, lost replies, lost wake-ups, two workers."""

import asyncio
import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import orjson
import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from service import Context, Event, Router
from service.store.inbox import accept
from service.store.inbox.handler_records import HandlerRecord
from service.store.inbox.leases import (
    ClaimRequest,
    HandlerResults,
    HeldLease,
    Lease,
    announce_stop,
    claim,
    finish,
    renewal,
)
from service.store.scripts import script
from service.store.store import Store
from tests.pending import pending
from tests.processes.fleet import Fleet, open_fleet
from tests.stack import Stack
from tests.telnyx_events import envelope, finalized_rcs, fresh_number
from tests.waiting import wait_for

HANDLERS = """
import asyncio, time
from pathlib import Path
from service import Context, Event, Router

router = Router()

@router.on("message.finalized")
async def zombie(event: Event, ctx: Context) -> None:
    with Path("runs").open("a") as file:
        print("run", file=file)
    if len(Path("runs").read_text().splitlines()) == 1:
        while not Path("continue").exists():
            time.sleep(0.01)
    number = event.payload["to"][0]["phone_number"]
    await ctx.telnyx.messages.send(to=number, from_="+13125550199", text="from run", idempotency_key="one")

@router.on("test.blocking", timeout=30)
async def blocking(event: Event, ctx: Context) -> None:
    with Path("blocking").open("a") as file:
        print("run", file=file)
    time.sleep(8)
"""


def _effects(fleet: Fleet) -> int:
    return sum(each.method != "GET" for each in fleet.simulator.requests)


@pytest.mark.slow
def test_a_worker_stopped_past_its_lease_records_nothing_and_begins_no_effect(tmp_path: Path) -> None:
    with open_fleet(tmp_path, HANDLERS) as fleet:
        fleet.start_ingress()
        zombie = fleet.start_worker()
        number = fresh_number()
        event = envelope("message.finalized", finalized_rcs("delivery_failed", number))
        fleet.accepted(event)
        wait_for(lambda: fleet.written("runs"))
        os.kill(zombie.pid, signal.SIGSTOP)
        (tmp_path / "continue").write_text("")
        fleet.start_worker()
        record = fleet.ended(event)
        effects = _effects(fleet)
        os.kill(zombie.pid, signal.SIGCONT)
        wait_for(lambda: b"lease lost" in (tmp_path / "worker-1.log").read_bytes())

        assert _effects(fleet) == effects == 1
        assert fleet.record(event["data"]["id"]) == record
        assert fleet.written("runs") == ["run", "run"]


@pytest.mark.slow
@pytest.mark.timeout(90)
def test_a_handler_that_blocks_the_loop_for_many_leases_keeps_its_own(tmp_path: Path) -> None:
    with open_fleet(tmp_path, HANDLERS, RINGBACK_LEASE="1s") as fleet:
        fleet.start_ingress()
        fleet.start_worker()
        event = envelope("test.blocking", {})
        fleet.accepted(event)
        wait_for(lambda: fleet.written("blocking"))
        fleet.start_worker()
        assert fleet.ended(event, seconds=40).state == "done"
        assert fleet.written("blocking") == ["run"]


def something() -> dict[str, Any]:
    return envelope("test.something", {})


def counting(runs: list[str]) -> Router:
    router = Router()

    @router.on("test.something")
    async def count(event: Event, ctx: Context) -> None:
        runs.append(event.id)

    return router


ROUTES = {"count": ["test.something"]}


def claimed(stack: Stack, worker: str, number: int, *, lease: float = 60, limit: int = 10) -> list[Lease]:
    request = ClaimRequest(worker, number, lease=lease, limit=limit, routes=ROUTES)
    return stack.ask(lambda store: claim(store, request)).leases


def renewed(stack: Stack, worker: str, held: list[HeldLease], *, answered: int) -> list[bytes]:
    async def renew(store: Store) -> list[bytes]:
        lost: list[bytes] = await store.run("renew", *renewal(worker, held, lease=60, answered=answered))
        return lost

    return stack.ask(renew)


def recorded(stack: Stack, lease: Lease) -> str:
    ending = HandlerResults.of(lease, {"count": HandlerRecord("done")}, release=True)
    [state] = stack.ask(lambda store: finish(store, [ending]))
    return state


def test_a_claim_whose_reply_was_lost_is_answered_again_under_its_number(stack: Stack) -> None:
    stack.deliver(something())
    first = claimed(stack, "worker", 1)
    stack.deliver(something())
    again = claimed(stack, "worker", 1)
    assert [lease.record.id for lease in again] == [lease.record.id for lease in first]
    assert len(claimed(stack, "worker", 2)) == 1
    assert recorded(stack, again[0]) == "done"


def test_what_a_worker_holds_and_does_not_run_is_handed_back_at_its_next_renewal(stack: Stack) -> None:
    stack.deliver(something())
    stack.deliver(something())
    known, _lost = claimed(stack, "worker", 1)
    assert claimed(stack, "other", 1) == []
    held = [HeldLease(known.record.id, known.token, "extend")]
    assert renewed(stack, "worker", held, answered=0) == []
    assert claimed(stack, "other", 2) == [], "the answer to claim 1 may still be on its way"
    assert renewed(stack, "worker", held, answered=1) == []
    [handed_back] = claimed(stack, "other", 3)
    assert handed_back.record.id != known.record.id


def second_claim(stack: Stack) -> Lease:
    """The claim of a second worker, once the lease of the first has lapsed."""
    numbers = iter(range(1, 10_000))
    return wait_for(lambda: next(iter(claimed(stack, "second", next(numbers))), None))


def test_only_the_holder_of_the_lease_records_an_outcome(stack: Stack) -> None:
    stack.deliver(something())
    [lapsed] = claimed(stack, "first", 1, lease=0.001)
    lease = second_claim(stack)
    assert recorded(stack, lapsed) == "lost"
    held = [HeldLease(lapsed.record.id, lapsed.token, "extend")]
    assert renewed(stack, "first", held, answered=1) == [lapsed.record.id.encode()]
    assert recorded(stack, lease) == "done"
    assert recorded(stack, lease) == "lost"


def lapses(stack: Stack, lease: Lease) -> int:
    async def counted(store: Store) -> int:
        return int(await pending(store.redis.hget(store.keys.event(lease.record.id), "lapses")) or 0)

    return stack.ask(counted)


def test_a_lapse_counts_unless_the_worker_had_announced_its_stop(stack: Stack) -> None:
    stack.deliver(something())
    [lease] = claimed(stack, "first", 1, lease=0.001)
    second_claim(stack)
    assert lapses(stack, lease) == 1

    stack.deliver(something())
    [lease] = claimed(stack, "third", 1, lease=0.001)
    stack.ask(lambda store: announce_stop(store, "third"))
    numbers = iter(range(1, 10_000))
    wait_for(lambda: claimed(stack, "fourth", next(numbers)))
    assert lapses(stack, lease) == 0


def test_a_worker_that_shows_up_again_takes_the_blame_back(stack: Stack) -> None:
    stack.deliver(something())
    [lease] = claimed(stack, "first", 1, lease=0.001)
    second_claim(stack)
    assert lapses(stack, lease) == 1
    renewed(stack, "first", [], answered=1)
    assert lapses(stack, lease) == 0


@pytest.mark.slow
def test_two_workers_run_each_event_once(stack: Stack) -> None:
    runs: list[str] = []
    for _ in range(2):
        stack.start_worker(counting(runs), concurrency=7)
    events = [something() for _ in range(200)]
    for event in events:
        assert stack.deliver(event).status_code == 200
    for event in events:
        assert stack.ended(event).state == "done"
    assert sorted(runs) == sorted(event["data"]["id"] for event in events)


def test_a_lost_wake_up_delays_by_a_second_at_most(stack: Stack) -> None:
    runs: list[str] = []
    worker = stack.start_worker(counting(runs))
    wait_for(lambda: worker._processor is not None)
    event = something()
    began = time.monotonic()

    async def accepted_without_a_token(store: Store) -> None:
        async with store.redis.pipeline(transaction=True) as pipe:
            arrival = accept.NewEvent(event["data"]["id"], "test.something", orjson.dumps(event), "webhook")
            await store.redis.script_load(script("accept").text)
            packed: Any = accept.pack_event(arrival, store.encryption)
            pipe.evalsha(script("accept").digest, 1, store.keys.counts, packed)
            pipe.delete(store.keys.wake)
            await pipe.execute()

    stack.ask(accepted_without_a_token)
    wait_for(lambda: runs)
    assert time.monotonic() - began < 1.5


def test_tokens_without_events_do_no_harm(stack: Stack) -> None:
    async def push(store: Store) -> None:
        await pending(store.redis.rpush(store.keys.wake, *["1"] * 100))

    stack.ask(push)
    runs: list[str] = []
    stack.start_worker(counting(runs))
    event = something()
    stack.deliver(event)
    assert stack.ended(event).state == "done"


def test_a_claim_that_fails_is_repeated_and_nothing_is_stranded(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server takes the claim, and the reply is lost."""
    from service.worker import processor

    numbers: list[int] = []
    real = claim

    async def reply_lost(store: Store, request: ClaimRequest) -> Any:
        answer = await real(store, request)
        numbers.append(request.number)
        if answer.leases and len(answer.leases) == 3 and numbers.count(request.number) == 1:
            raise RedisConnectionError
        return answer

    for event in (events := [something() for _ in range(3)]):
        stack.deliver(event)
    monkeypatch.setattr(processor, "claim", reply_lost)
    runs: list[str] = []
    began = time.monotonic()
    stack.start_worker(counting(runs), lease=30)
    for event in events:
        assert stack.ended(event).state == "done"
    assert time.monotonic() - began < 5, "long before the lease has lapsed"
    assert len(runs) == 3


def test_a_claim_whose_answer_comes_after_its_lease_runs_nothing_that_another_worker_has(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A handler that blocks the event loop delays the answer. Until then nobody renews what it brings."""
    from service.worker import claims

    taken, arrives = threading.Event(), threading.Event()
    runs: list[str] = []
    real = claim

    async def late(store: Store, request: ClaimRequest) -> Any:
        answer = await real(store, request)
        if answer.leases and not taken.is_set():
            taken.set()
            await asyncio.to_thread(arrives.wait)
        return answer

    monkeypatch.setattr(claims, "claim", late)
    stack.deliver(event := something())
    slow = stack.start_worker(counting(runs), lease=0.3)
    assert taken.wait(20)
    lease = second_claim(stack)
    arrives.set()
    wait_for(lambda: slow.processor.leases.answered() and not slow.tasks)
    assert runs == []
    assert recorded(stack, lease) == "done"
    assert stack.recorded(event["data"]["id"]).state == "done"


def test_a_handler_that_this_worker_does_not_know_is_put_off_while_the_others_run(stack: Stack) -> None:
    stack.deliver(event := something())
    request = ClaimRequest("old", 1, lease=60, limit=1, routes={"count": ["test.*"], "renamed": ["test.*"]})
    [lease] = stack.ask(lambda store: claim(store, request)).leases
    stack.ask(lambda store: finish(store, [HandlerResults.of(lease, {}, release=True)]))

    runs: list[str] = []
    router = counting(runs)

    @router.on("test.something")
    async def brand_new(event: Event, ctx: Context) -> None:
        runs.append("brand new")

    stack.start_worker(router)
    record = stack.when(event, lambda record: record.handlers["renamed"].state == "waiting")
    assert record.handlers["renamed"].reason == "unknown_handler"
    assert set(record.handlers) == {"count", "renamed"}, "fixed when it was first claimed"
    assert runs == [event["data"]["id"]]


def test_handlers_of_one_event_run_side_by_side(stack: Stack) -> None:
    meeting = asyncio.Barrier(2)
    router = Router()

    @router.on("test.something", timeout=5)
    async def one(event: Event, ctx: Context) -> None:
        await meeting.wait()

    @router.on("test.something", timeout=5)
    async def other(event: Event, ctx: Context) -> None:
        await meeting.wait()

    stack.start_worker(router)
    stack.deliver(event := something())
    assert stack.ended(event).state == "done"


def test_a_finished_handler_is_recorded_before_its_sibling_ends(stack: Stack) -> None:
    router, release = Router(), asyncio.Event()

    @router.on("test.something")
    async def quick(event: Event, ctx: Context) -> None: ...

    @router.on("test.something")
    async def slow(event: Event, ctx: Context) -> None:
        await release.wait()

    stack.start_worker(router)
    stack.deliver(event := something())
    record = stack.when(event, lambda record: bool(record.handlers) and record.handlers["quick"].state == "done")
    assert record.handlers["slow"].state == "pending"
    assert stack.ask(accept.counts).open == 1
    stack.workers.close()
    assert stack.recorded(event["data"]["id"]).handlers["quick"].state == "done"


def test_a_suspect_that_waits_is_no_difference_for_the_audit(stack: Stack) -> None:
    from service.store.inbox.audit import audit

    stack.deliver(something())
    for worker in ("one", "other", "third"):
        numbers = iter(range(1, 10_000))
        wait_for(lambda: claimed(stack, worker, next(numbers), lease=0.001) or worker == "third")
    numbers = iter(range(10_001, 20_000))
    wait_for(lambda: suspects_passed_over(stack, next(numbers)))
    assert stack.ask(audit).clean


def suspects_passed_over(stack: Stack, number: int) -> int:
    request = ClaimRequest("busy", number, lease=60, limit=10, routes=ROUTES, alone=False)
    return stack.ask(lambda store: claim(store, request)).poison_suspects
