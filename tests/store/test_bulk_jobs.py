"""Bulk jobs touch what they list and nothing else. They can be cancelled, resumed, and taken by another process."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from service.store.connection import server_time
from service.store.inbox.accept import counts
from service.store.inbox.dead_letters import RetryVerdict
from service.store.inbox.handler_records import HandlerRecord
from service.store.inbox.leases import renewal
from service.store.inbox.maintenance import due
from service.store.inbox.search import EventFilter
from service.store.inbox.workers import WorkerSign
from service.store.operators import job_runner
from service.store.operators.audit_log import Actor
from service.store.operators.bulk_jobs import (
    Job,
    JobRequest,
    cancel_job,
    create_job,
    read_job,
    read_jobs,
    replace_ids,
    resume_job,
)
from service.store.operators.job_runner import BATCH, MAX_DUE, carry_out, due_job
from service.store.store import Store
from service.worker.maintenance import Maintenance
from tests.cli.conftest import deployment as deployment  # noqa: PLC0414 - a fixture
from tests.cli.deployment import Deployment
from tests.stack import make_settings
from tests.store.half_way import new_world

ANN = Actor("ann", "dashboard")
WHY = EventFilter(died="greet", reason="why")
RETRY = JobRequest("retry", WHY)


def died(deployment: Deployment, *ids: str, reason: str = "why") -> None:
    deployment.accept(*ids)
    for each in ids:
        deployment.finish(each, greet=HandlerRecord("dead", attempts=1, reason=reason))


def created(deployment: Deployment, request: JobRequest, ids: Sequence[str] | None = None) -> str:
    return deployment.ask(lambda store: create_job(store, request, ANN, ids=ids))


def retrying(deployment: Deployment, number: int) -> tuple[list[str], str]:
    """Return the ids of so many dead events, and a job that retries them."""
    ids = [f"event-{each}" for each in range(number)]
    died(deployment, *ids)
    return ids, created(deployment, RETRY, ids)


def known(deployment: Deployment, job: str) -> Job:
    found = deployment.ask(lambda store: read_job(store, job))
    assert found is not None
    return found


def ran(deployment: Deployment, job: str) -> Job:
    deployment.ask(lambda store: carry_out(store, job))
    return known(deployment, job)


def states(deployment: Deployment, *ids: str) -> list[str]:
    return [(deployment.redis.hget(deployment.keys.event(each), "state") or b"gone").decode() for each in ids]  # type: ignore[union-attr]


def test_a_job_takes_the_events_of_its_filter_and_no_others(deployment: Deployment) -> None:
    wanted = [f"wanted-{each}" for each in range(2 * BATCH + 3)]
    died(deployment, *wanted)
    died(deployment, "other", reason="another")
    job = created(deployment, RETRY)
    died(deployment, "later")
    ended = ran(deployment, job)
    assert (ended.state, ended.done, ended.total, ended.changed) == ("done", len(wanted), len(wanted), len(wanted))
    assert set(states(deployment, *wanted)) == {"open"}
    assert states(deployment, "other", "later") == ["dead", "dead"]
    assert deployment.run("audit").code == 0


def test_a_job_that_finds_nothing_is_done_with_nothing(deployment: Deployment) -> None:
    ended = ran(deployment, created(deployment, RETRY))
    assert (ended.state, ended.total, ended.done) == ("done", 0, 0)


@pytest.mark.parametrize(("action", "state"), [("drop", "gone"), ("replay", "open")])
def test_events_are_dropped_and_replayed_likewise(deployment: Deployment, action: str, state: str) -> None:
    died(deployment, "one", "two")
    died(deployment, "other", reason="another")
    selection = WHY if action == "drop" else EventFilter(type="message.received")
    ended = ran(deployment, created(deployment, JobRequest(action, selection), ["one", "two", "missing"]))  # type: ignore[arg-type]
    assert states(deployment, "one", "two") == [state, state]
    assert states(deployment, "other") == ["dead"]
    assert ended.tally == {f"{action}ped" if action == "drop" else "replayed": 2, "gone": 1}


def test_an_event_that_died_again_since_the_job_began_is_not_touched(deployment: Deployment) -> None:
    died(deployment, "one", "two")
    job = created(deployment, RETRY, ["one", "two"])
    deployment.run("dead", "retry", "one", "--yes")
    deployment.redis.hset(deployment.keys.job(job), "created_at", str(1 + known(deployment, job).created_at))
    deployment.redis.hset(deployment.keys.event("one"), "ended_at", str(10**14))
    deployment.finish("one", greet=HandlerRecord("dead", attempts=1, reason="why"))
    deployment.redis.hset(deployment.keys.event("one"), "ended_at", str(10**14))
    assert ran(deployment, job).tally == {"since": 1, "retried": 1}
    assert states(deployment, "one", "two") == ["dead", "open"]


def test_a_worker_whose_clock_is_behind_takes_over_the_job_of_a_killed_command(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, job = retrying(deployment, 1)
    ten_minutes_ago = deployment.ask(lambda store: server_time(store.redis)) - 600_000
    deployment.redis.zadd(deployment.keys.jobs_due, {job: ten_minutes_ago})
    own = time.time
    monkeypatch.setattr(time, "time", lambda: own() - 3600)
    assert deployment.ask(due_job) == job


def test_a_replay_that_asks_counts_what_it_would_change_and_waits_for_a_person(deployment: Deployment) -> None:
    died(deployment, "one", "two", "three")
    deployment.accept("open")
    deployment.redis.hdel(deployment.keys.event("three"), "body")
    job = created(deployment, JobRequest("replay", EventFilter(type="message.received"), asks=True))
    counted = ran(deployment, job)
    assert (counted.state, counted.total, counted.tally) == ("ready", 2, {"open": 1, "no_body": 1})
    assert ran(deployment, job) == counted, "nobody carries it out"
    assert deployment.ask(due_job) is None
    assert states(deployment, "one", "two", "three") == ["dead"] * 3
    died(deployment, "later")
    assert deployment.ask(lambda store: resume_job(store, job)) == "ready"
    assert ran(deployment, job).tally == {"open": 1, "no_body": 1, "replayed": 2}
    assert states(deployment, "one", "two", "three", "later") == ["open", "open", "dead", "dead"]


def test_a_counted_replay_can_be_cancelled(deployment: Deployment) -> None:
    died(deployment, "one")
    job = created(deployment, JobRequest("replay", EventFilter(), asks=True))
    ran(deployment, job)
    assert deployment.ask(lambda store: cancel_job(store, job)) == "ready"
    assert ran(deployment, job).state == "cancelled"
    assert states(deployment, "one") == ["dead"]


def test_a_cancelled_job_stops_at_its_batch_and_goes_on_when_it_is_resumed(deployment: Deployment) -> None:
    ids, job = retrying(deployment, 3 * BATCH)

    async def cancelled(store: Store) -> None:
        def cancel(_: Job, __: Sequence[str], ___: Sequence[str]) -> None:
            cancelling.append(asyncio.create_task(cancel_job(store, job)))

        cancelling: list[asyncio.Task[str]] = []
        await carry_out(store, job, on_batch=cancel)
        await asyncio.gather(*cancelling)

    deployment.ask(cancelled)
    stopped = known(deployment, job)
    assert stopped.state == "cancelled"
    assert stopped.done == stopped.changed < len(ids)
    assert states(deployment, *ids).count("open") == stopped.done
    assert ran(deployment, job).done == stopped.done, "nobody carries out a cancelled job"
    assert deployment.ask(lambda store: resume_job(store, job)) == "cancelled"
    ended = ran(deployment, job)
    assert (ended.state, ended.changed) == ("done", len(ids))
    assert deployment.ask(lambda store: cancel_job(store, job)) == "done"


def test_a_command_that_is_stopped_within_a_batch_carries_it_out_and_counts_it(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids, job = retrying(deployment, 2 * BATCH)
    perform = job_runner.perform

    async def stopped(store: Store) -> None:
        begun, may_go_on = asyncio.Event(), asyncio.Event()

        async def slowly(*batch: Any) -> list[RetryVerdict]:
            begun.set()
            await may_go_on.wait()
            return await perform(*batch)

        monkeypatch.setattr(job_runner, "perform", slowly)
        running = asyncio.create_task(carry_out(store, job))
        await begun.wait()
        running.cancel()
        asyncio.get_running_loop().call_soon(may_go_on.set)
        with pytest.raises(asyncio.CancelledError):
            await running

    deployment.ask(stopped)
    assert known(deployment, job).done == known(deployment, job).changed == BATCH
    assert states(deployment, *ids).count("open") == BATCH


def test_another_process_takes_a_job_whose_process_has_vanished(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids, job = retrying(deployment, 2 * BATCH)

    async def vanish(store: Store) -> None:
        def fail(_: Job, __: Sequence[str], ___: Sequence[str]) -> None:
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await carry_out(store, job, on_batch=fail)
        # The first still has it.
        await carry_out(store, job)

    deployment.ask(vanish)
    assert (known(deployment, job).state, known(deployment, job).done) == ("running", 0)
    assert deployment.ask(due_job) is None
    deployment.redis.zadd(deployment.keys.jobs_due, {job: 1})
    deployment.redis.hset(deployment.keys.job(job), "runner_until", "1")
    assert deployment.ask(due_job) == job
    ended = ran(deployment, job)
    assert (ended.state, ended.done) == ("done", len(ids))
    # The batch whose result got lost is retried once only.
    assert ended.tally == {"not_dead": BATCH, "retried": BATCH}
    assert set(states(deployment, *ids)) == {"open"}


def test_a_worker_goes_on_with_a_job_that_nobody_carries_out(deployment: Deployment) -> None:
    died(deployment, "one")
    job = created(deployment, RETRY, ["one"])
    deployment.redis.zadd(deployment.keys.jobs_due, {job: 1})
    ages = {"retention": 9e5, "dead_retention": 9e5, "body_retention": 9e5}
    found = deployment.ask(lambda store: due(store, "w", lock=10, first=0, **ages))
    assert "jobs" in found.steps

    async def maintained(store: Store) -> None:
        maintenance = Maintenance(make_settings(namespace=store.namespace.strip("{}")), store, "w")
        working = asyncio.create_task(maintenance.run_forever())
        async with asyncio.timeout(10):
            while (found := await read_job(store, job)) is None or found.state != "done":  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)

    deployment.ask(maintained)
    assert states(deployment, "one") == ["open"]


def test_a_job_waits_while_workers_have_enough_to_do(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    _, job = retrying(deployment, 4 * BATCH)
    sign = WorkerSign("host:1", "0.1.0", 1, 100, "handlers:router", ())
    seen: list[int] = []

    async def watched(store: Store) -> None:
        await store.run("renew", *renewal("w", (), lease=15, answered=1, sign=sign))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await carry_out(store, job, on_batch=lambda *_: seen.append(1))

    deployment.ask(watched)
    assert (len(seen), known(deployment, job).done) == (1, BATCH)
    assert deployment.ask(counts).open <= MAX_DUE + BATCH
    # Without a worker nobody waits.
    deployment.redis.delete(deployment.keys.workers)
    deployment.redis.hset(deployment.keys.job(job), "runner_until", "1")
    assert ran(deployment, job).state == "done"


def test_a_damaged_record_hinders_no_other(deployment: Deployment) -> None:
    died(deployment, "one", "two", "three")
    deployment.redis.delete(deployment.keys.event("two"))
    deployment.redis.set(deployment.keys.event("two"), "no hash")
    ended = ran(deployment, created(deployment, RETRY, ["one", "two", "three"]))
    assert ended.tally == {"retried": 2, "damaged": 1}


def test_a_filter_is_stored_and_read_without_loss(deployment: Deployment) -> None:
    selection = EventFilter("dead", "10dlc.*", "h", (b"abcd", b"efgh"), 5, 9, "d", "r", "b", 3, (b"1234",), True)
    request = JobRequest("replay", selection, "sent", True, "h", True, types=("10dlc.*", "message.received"))
    assert known(deployment, created(deployment, request)).request == request


def test_a_list_of_ids_is_kept_as_long_as_its_job_and_a_day_without_one(deployment: Deployment) -> None:
    async def ids() -> AsyncIterator[Sequence[str]]:
        yield ["event-1"]

    def kept(job: str) -> int:
        milliseconds = deployment.redis.pttl(deployment.keys.job_ids(job))
        assert isinstance(milliseconds, int)
        return milliseconds

    def days(job: str) -> int:
        return round(kept(job) / 86_400_000)

    # The process that creates a job may be killed before the job begins.
    deployment.ask(lambda store: replace_ids(store, "never-begun", ids()))
    assert days("never-begun") == 1
    job = created(deployment, RETRY, ["event-1"])
    assert kept(job) == -1
    # A process that collects events learns of a cancellation only after it has listed them anew.
    job = created(deployment, RETRY)
    deployment.ask(lambda store: cancel_job(store, job))
    deployment.ask(lambda store: replace_ids(store, job, ids()))
    assert days(job) == 7


def test_jobs_are_listed_newest_first_and_forgotten(deployment: Deployment) -> None:
    first, second = (created(deployment, RETRY, []) for _ in range(2))
    deployment.redis.zadd(deployment.keys.jobs, {first: 1})
    assert [each.id for each in deployment.ask(read_jobs)] == [second, first]
    ran(deployment, second)
    assert 0 < int(deployment.redis.ttl(deployment.keys.job(second))) <= 7 * 86_400  # type: ignore[arg-type]
    deployment.redis.delete(deployment.keys.job(first))
    assert [each.id for each in deployment.ask(read_jobs)] == [second]
    assert deployment.redis.zcard(deployment.keys.jobs) == 1


@pytest.mark.anyio
async def test_a_creation_that_fails_half_way_leaves_no_job_and_hinders_none(server: "Redis") -> None:
    world = new_world(server)
    for world.redis.fail_at in (1, 2, 3):
        with pytest.raises(ResponseError):
            await create_job(world.store, RETRY, ANN, ids=[])
    world.redis.fail_at = 0
    assert await read_jobs(world.store) == []
    job = await create_job(world.store, RETRY, ANN, ids=[])
    places = await world.redis.zrange(world.keys.jobs_due, 0, -1)
    # Nobody has them, and the job comes last.
    await world.redis.zadd(world.keys.jobs_due, {each: int(each == job.encode()) for each in places})
    while (due := await due_job(world.store)) is not None:
        await carry_out(world.store, due)
    assert [each.state for each in await read_jobs(world.store)] == ["done"]
