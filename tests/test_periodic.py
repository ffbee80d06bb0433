"""Periodic handlers: each time is one event for all workers, with a lease, retries and an end like any other."""

from datetime import UTC, datetime
from typing import Any

from service import Context, Event, Retry, Router
from service.periodic import cron_jobs
from service.store.audit import audit
from service.store.keys import Keys
from service.store.search import Wanted, newest
from tests.stack import Stack
from tests.waiting import wait_for


def test_a_time_is_one_event_however_many_workers_run(stack: Stack) -> None:
    router, ran = Router(), list[Event[Any]]()

    @router.cron(minute=None, second=None)
    async def tick(event: Event, ctx: Context) -> None:  # type: ignore[type-arg]
        ran.append(event)

    for _ in range(2):
        stack.start_worker(router)
    wait_for(lambda: len(ran) >= 3)
    seen = ran.copy()
    assert len({event.id for event in seen}) == len(seen)
    moments = [event.occurred_at for event in seen]
    assert len({moment and moment.replace(microsecond=0) for moment in moments}) == len(seen)
    assert {(event.type, event.arrived_by) for event in seen} == {("ringback.cron.tick", "cron")}
    assert stack.ask(audit).clean


def test_a_periodic_run_that_asks_for_another_is_run_again(stack: Stack) -> None:
    router, runs = Router(), list[str]()

    @router.cron(minute=None, second=None)
    async def tick(event: Event, ctx: Context) -> None:  # type: ignore[type-arg]
        runs.append(event.id)
        if runs.count(event.id) == 1:
            raise Retry(after=0)

    stack.start_worker(router)
    wait_for(lambda: len(runs) >= 2)
    assert stack.ended(runs[0]).handlers["tick"].state == "done"
    assert runs.count(runs[0]) == 2
    kept = stack.ask(lambda redis, keys: newest(redis, keys, limit=50, wanted=Wanted(type="ringback.cron.tick")))
    assert {record.arrived_by for record in kept} == {"cron"}


def test_the_times_may_be_any_kind_of_set() -> None:
    router = Router()

    @router.cron(minute=frozenset({7, 37}))
    async def tick(event: Event, ctx: Context) -> None: ...  # type: ignore[type-arg]

    [job] = cron_jobs(router, Keys("here"))
    job.calculate_next(datetime(2026, 11, 22, 12, 10, tzinfo=UTC))
    assert job.next_run == datetime(2026, 11, 22, 12, 37, 0, 123_456, tzinfo=UTC)
