"""Leases: who may extend one, what becomes of those that lapse, and which events run alone."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from service.store.inbox.accept import NewEvent, accept, find
from service.store.inbox.audit import audit
from service.store.inbox.handler_records import HandlerRecord
from service.store.inbox.leases import (
    ClaimRequest,
    HandlerResults,
    HeldLease,
    Lease,
    claim,
    finish,
    renewal,
)
from service.store.inbox.maintenance import sweep
from service.store.inbox.records import EventRecord
from service.store.store import Store
from tests.stack import Stack

T = TypeVar("T")
ROUTES = {"one": ["*"]}


class Leases:
    """Steps of workers with one event."""

    def __init__(self, stack: Stack) -> None:
        self.stack, self.store = stack, stack.store

    def ask(self, function: Callable[..., Awaitable[T]], *args: Any, **options: Any) -> T:
        return self.stack.ask(lambda store: function(store, *args, **options))

    def accept(self, *event_ids: str) -> None:
        self.ask(accept, [NewEvent(each, "test.x", b"{}", "webhook") for each in event_ids])

    def claim(self, worker: str, number: int = 1, *, alone: bool = False) -> list[Lease]:
        return self.ask(claim, ClaimRequest(worker, number, 60, 10, ROUTES, alone=alone)).leases

    def renew(self, worker: str, *held: HeldLease, lease: float = 3600, answered: int = 0) -> list[str]:
        args = renewal(worker, held, lease=lease, answered=answered)
        return [each.decode() for each in self.ask(Store.run, "renew", *args)]

    def lapse(self, event_id: str) -> None:
        """Let the time of a lease be over."""
        received_at = self.record(event_id).received_at

        async def lapse(store: Store) -> None:
            await store.redis.hset(store.keys.event(event_id), "lease_until", str(received_at))  # type: ignore[misc]
            await store.redis.zadd(store.keys.queue, {store.keys.job_id(event_id): received_at})

        self.stack.ask(lapse)

    def record(self, event_id: str) -> EventRecord:
        record = self.ask(find, event_id)
        assert record is not None
        return record

    def lapses(self, event_id: str) -> int:
        async def read(store: Store) -> int:
            return int(await store.redis.hget(store.keys.event(event_id), "lapses") or 0)  # type: ignore[misc]

        return self.stack.ask(read)

    def due(self, event_id: str) -> float:
        async def read(store: Store) -> float:
            return await store.redis.zscore(store.keys.queue, store.keys.job_id(event_id)) or 0

        return self.stack.ask(read)


def held(lease: Lease, action: Any = "extend") -> HeldLease:
    return HeldLease(lease.record.id, lease.token, action)


def test_a_renewal_extends_the_lease_and_moves_the_event_in_the_queue(stack: Stack) -> None:
    leases = Leases(stack)
    leases.accept("x")
    [lease] = leases.claim("w")
    before = leases.record("x").leased_until or 0
    assert leases.renew("w", held(lease)) == []
    after = leases.record("x").leased_until or 0
    assert 3_500_000 < after - before < 3_600_000
    assert leases.due("x") == after


def test_only_its_holder_extends_a_lease(stack: Stack) -> None:
    leases = Leases(stack)
    leases.accept("x")
    [lease] = leases.claim("w")
    before = leases.record("x").leased_until
    assert leases.renew("v", HeldLease("x", "v:1")) == ["x"]
    assert leases.record("x").leased_until == before
    assert leases.renew("w", held(lease)) == []


def test_a_lapsed_lease_that_nobody_took_is_extended(stack: Stack) -> None:
    leases = Leases(stack)
    leases.accept("x")
    [lease] = leases.claim("w")
    leases.lapse("x")
    assert leases.renew("w", held(lease)) == []
    assert leases.claim("v") == []
    assert leases.lapses("x") == 0


def test_an_event_that_a_worker_does_not_run_is_given_back_once_its_claim_was_answered(stack: Stack) -> None:
    leases = Leases(stack)
    leases.accept("x")
    leases.claim("w", 2)
    assert leases.renew("w", answered=1) == []
    assert leases.claim("v") == []
    leases.renew("w", answered=2)
    assert leases.lapses("x") == 0
    assert len(leases.claim("v", 2)) == 1


def test_an_overdue_event_loses_its_lease_and_the_lapse_counts(stack: Stack) -> None:
    leases = Leases(stack)
    leases.accept("x")
    [lease] = leases.claim("w")
    assert leases.renew("w", held(lease, "overdue")) == ["x"]
    assert leases.lapses("x") == 1
    assert leases.renew("w", held(lease, "overdue")) == ["x"]
    assert leases.lapses("x") == 1
    assert len(leases.claim("v")) == 1


def test_a_damaged_state_that_names_a_counter_counts_as_open(stack: Stack) -> None:
    leases = Leases(stack)
    leases.accept("x")
    stack.ask(lambda store: store.redis.hset(store.keys.event("x"), "state", "accepted"))  # type: ignore[arg-type, return-value]
    assert leases.claim("w") == []
    [lease] = leases.claim("w", 2)
    leases.ask(finish, [HandlerResults.of(lease, {"one": HandlerRecord("done")}, release=True)])
    assert leases.record("x").state == "done"
    assert leases.ask(audit).clean


def test_all_overdue_events_of_a_worker_end_and_a_damaged_count_begins_at_one(stack: Stack) -> None:
    leases = Leases(stack)
    leases.accept("x", "y", "z")
    held_by_w = leases.claim("w")
    stack.ask(lambda store: store.redis.hset(store.keys.event("z"), "lapses", "odd"))  # type: ignore[arg-type, return-value]
    lost = leases.renew("w", *(held(each, "overdue") for each in held_by_w))
    assert (sorted(lost), [leases.lapses(each) for each in "xyz"]) == (["x", "y", "z"], [1, 1, 1])


def test_after_two_lapses_an_event_runs_alone_and_after_the_third_it_is_dead(stack: Stack) -> None:
    leases = Leases(stack)
    leases.accept("x")
    for worker in ("first", "second"):
        assert len(leases.claim(worker)) == 1
        leases.lapse("x")
    assert leases.claim("third") == []
    assert leases.lapses("x") == 2
    assert len(leases.claim("third", 2, alone=True)) == 1
    leases.lapse("x")
    assert leases.claim("fourth", alone=True) == []
    record = leases.record("x")
    assert (record.state, record.handlers["one"].reason) == ("dead", "killed_worker")


def test_a_worker_that_comes_back_takes_its_lapse_back(stack: Stack) -> None:
    leases = Leases(stack)
    leases.accept("x")
    leases.claim("first")
    leases.lapse("x")
    leases.claim("second")
    assert leases.lapses("x") == 1
    leases.renew("first")
    assert leases.lapses("x") == 0
    assert "worker_returned" in [each.what for each in leases.record("x").notes]


def test_a_worker_that_announced_its_stop_leaves_no_lapse(stack: Stack) -> None:
    leases = Leases(stack)
    leases.accept("x")
    leases.claim("first")

    async def drain(store: Store) -> None:
        await store.redis.set(store.keys.draining("first"), b"1")

    stack.ask(drain)
    leases.lapse("x")
    assert len(leases.claim("second")) == 1
    assert leases.lapses("x") == 0


def test_a_lapsed_lease_records_nothing_even_if_nobody_took_it(stack: Stack) -> None:
    leases = Leases(stack)
    leases.accept("x")
    [lease] = leases.claim("w")
    leases.lapse("x")
    done = HandlerRecord("done", attempts=1)
    assert leases.ask(finish, [HandlerResults.of(lease, {"one": done}, release=True)]) == ["lost"]
    assert leases.record("x").state == "open"


def test_a_lease_ends_once_in_one_batch(stack: Stack) -> None:
    leases = Leases(stack)
    leases.accept("x")
    [lease] = leases.claim("w")
    back = HandlerResults.of(lease, {}, release=True)
    done = HandlerResults.of(lease, {"one": HandlerRecord("done", attempts=1)}, release=True)
    assert leases.ask(finish, [back, done]) == ["open", "lost"]
    assert leases.record("x").state == "open"


def test_an_event_that_a_sweep_ended_opens_again_for_the_worker_that_still_holds_it(stack: Stack) -> None:
    leases = Leases(stack)
    leases.accept("x")
    [lease] = leases.ask(claim, ClaimRequest("w", 1, 60, 10, {})).leases
    leases.lapse("x")

    async def dequeue(store: Store) -> None:
        await store.redis.zrem(store.keys.queue, store.keys.job_id("x"))

    stack.ask(dequeue)
    assert leases.ask(sweep, first=0) == 1
    assert leases.record("x").state == "ignored"
    assert leases.renew("w", held(lease)) == []
    assert leases.record("x").state == "open"
    assert leases.ask(finish, [HandlerResults.of(lease, {}, release=True)]) == ["ignored"]
    assert leases.ask(audit).clean


def test_a_damaged_count_of_lapses_begins_anew(stack: Stack) -> None:
    leases = Leases(stack)
    leases.accept("x")
    leases.claim("first")

    async def mar(store: Store) -> None:
        await store.redis.hset(store.keys.event("x"), "lapses", "junk")  # type: ignore[misc]

    stack.ask(mar)
    leases.lapse("x")
    assert len(leases.claim("second")) == 1
    assert leases.lapses("x") == 1


def test_a_result_clears_the_lapses_and_a_lost_lease_records_none(stack: Stack) -> None:
    leases = Leases(stack)
    leases.accept("x")
    [lost] = leases.claim("first")
    leases.lapse("x")
    [lease] = leases.claim("second")
    done = HandlerRecord("done", attempts=1)
    assert leases.ask(finish, [HandlerResults.of(lost, {"one": done}, release=True)]) == ["lost"]
    assert leases.ask(finish, [HandlerResults.of(lease, {}, release=True)]) == ["open"]
    assert leases.lapses("x") == 1
    [lease] = leases.claim("second", 2)
    assert leases.ask(finish, [HandlerResults.of(lease, {"one": done}, release=True)]) == ["done"]
    assert leases.lapses("x") == 0
