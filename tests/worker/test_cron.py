"""Periodic handlers: each time is one event for all workers, with a lease, retries and an end like any other."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import arq.worker
import pytest
from arq.cron import cron

from service import Context, Event, Retry, Router
from service.settings import Settings
from service.store.inbox.audit import audit
from service.store.inbox.search import EventFilter, search
from service.worker.arq_compat import cron_jobs, stock_settings
from tests.stack import Stack
from tests.waiting import wait_for


def test_a_time_is_one_event_however_many_workers_run(stack: Stack) -> None:
    router, ran = Router(), list[Event[Any]]()

    @router.cron(minute=None, second=None)
    async def tick(event: Event, ctx: Context) -> None:
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


@pytest.mark.slow
def test_a_periodic_run_that_asks_for_another_is_run_again(stack: Stack) -> None:
    router, runs = Router(), list[str]()

    @router.cron(minute=None, second=None)
    async def tick(event: Event, ctx: Context) -> None:
        runs.append(event.id)
        if runs.count(event.id) == 1:
            raise Retry(after=0)

    stack.start_worker(router)
    wait_for(lambda: len(runs) >= 2)
    assert stack.ended(runs[0]).handlers["tick"].state == "done"
    assert runs.count(runs[0]) == 2
    kept = stack.ask(lambda store: search(store, limit=50, wanted=EventFilter(type="ringback.cron.tick")))
    assert {record.arrived_by for record in kept} == {"cron"}


def test_the_times_may_be_any_kind_of_set() -> None:
    router = Router()

    @router.cron(minute=frozenset({7, 37}))
    async def tick(event: Event, ctx: Context) -> None: ...

    [job] = cron_jobs(router, Settings())
    job.calculate_next(datetime(2026, 11, 22, 12, 10, tzinfo=UTC))
    assert job.next_run == datetime(2026, 11, 22, 12, 37, 0, 123_456, tzinfo=UTC)


ARQ_CLOSES = pytest.mark.filterwarnings("ignore:Call to deprecated close:DeprecationWarning")
"""A deprecated call of stock arq's own, at its end."""


def ticking(ran: list[datetime | None]) -> Router:
    """A router that notes each second for which its handler ran."""
    router = Router()

    @router.cron(minute=None, second=None)
    async def tick(event: Event, ctx: Context) -> None:
        ran.append(event.occurred_at)

    return router


@contextmanager
def stock_worker(stack: Stack, namespace: str, router: Router) -> Iterator[None]:
    """Run the stock `arq` worker on our settings until the block ends."""
    settings = stack.settings.model_copy(update={"namespace": namespace})

    async def work() -> None:
        options = stock_settings(settings, router, stack.redis_url)
        worker = arq.worker.create_worker(options, handle_signals=False, poll_delay=0.05)
        main = asyncio.create_task(worker.main())
        await asyncio.wait([main, asyncio.create_task(stop.wait())], return_when=asyncio.FIRST_COMPLETED)
        main.cancel()
        await asyncio.wait([main, *worker.tasks.values()])
        await worker.close()

    stop = stack.host.portal.call(make_event)
    future = stack.host.portal.start_task_soon(work)
    try:
        yield
    finally:
        stack.host.portal.call(stop.set)
        future.result(20)


async def make_event() -> asyncio.Event:
    """Make it in the loop that is to use it."""
    return asyncio.Event()


@pytest.mark.slow
def test_two_deployments_on_one_redis_run_periodic_handlers_of_one_name_at_the_same_times(stack: Stack) -> None:
    here, there = list[datetime | None](), list[datetime | None]()
    stack.start_worker(ticking(here), namespace=f"{stack.settings.namespace}.here")
    stack.start_worker(ticking(there), namespace=f"{stack.settings.namespace}.there")
    wait_for(lambda: len(set(here) & set(there)) >= 2)


@ARQ_CLOSES
@pytest.mark.slow
def test_stock_arq_runs_periodic_handlers_of_two_deployments_at_the_same_times(stack: Stack) -> None:
    here, there = list[datetime | None](), list[datetime | None]()
    namespace = stack.settings.namespace
    with (
        stock_worker(stack, f"{namespace}.here", ticking(here)),
        stock_worker(stack, f"{namespace}.there", ticking(there)),
    ):
        wait_for(lambda: len(set(here) & set(there)) >= 2)


@ARQ_CLOSES
@pytest.mark.slow
def test_a_stock_and_a_ringback_worker_of_one_deployment_run_each_time_once(stack: Stack) -> None:
    ours, stocks = list[datetime | None](), list[datetime | None]()
    stack.start_worker(ticking(ours))
    with stock_worker(stack, stack.settings.namespace, ticking(stocks)):
        wait_for(lambda: len(ours) + len(stocks) >= 4)
    ran = ours + stocks
    assert len({moment and moment.replace(microsecond=0) for moment in ran}) == len(ran)


def test_a_cron_job_of_ones_own_with_a_fixed_id_runs_in_each_of_two_deployments(stack: Stack) -> None:
    """Each waits until the other runs too: while one does, arq starts no second job of its id."""
    running, both = set[str](), threading.Barrier(2)

    async def nightly(ctx: dict[str, Any]) -> None:
        running.add(ctx["job_id"])
        await asyncio.to_thread(both.wait, 20)

    jobs = [cron(nightly, hour=3, run_at_startup=True, job_id="nightly")]
    names = [f"{stack.settings.namespace}.{name}" for name in ("here", "there")]
    for name in names:
        stack.start_worker(Router(), worker_options={"cron_jobs": jobs}, namespace=name)
    wait_for(lambda: len(running) == 2)
    assert running == {f"{name}:nightly" for name in names}
