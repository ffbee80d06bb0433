"""What arq offers beside events goes on working in our worker: cron jobs, plain functions, ctx, the health check."""

import asyncio
import threading
from typing import Any

import arq
import orjson
import pytest
from arq.connections import ArqRedis
from arq.cron import cron

from service import Context, Event, Router
from service.store.inbox.accept import cancel
from service.store.inbox.audit import audit
from service.store.inbox.maintenance import sweep
from service.store.store import Store
from service.worker.arq_compat import arq_options
from tests.stack import Stack
from tests.telnyx_events import envelope
from tests.waiting import wait_for


def test_a_cron_job_runs_under_a_name_of_this_deployment(stack: Stack) -> None:
    ran: list[dict[str, Any]] = []

    async def nightly(ctx: dict[str, Any]) -> None:
        ran.append(ctx)

    jobs = [cron(nightly, hour=3, run_at_startup=True)]
    worker = stack.start_worker(Router(), worker_options={"cron_jobs": jobs})
    wait_for(lambda: ran)
    assert ran[0]["redis"] is worker.pool
    assert ran[0]["job_id"].startswith(f"{stack.settings.namespace}:")


@pytest.mark.one_server("arq itself cannot use a cluster, and wants rights of its own")
def test_a_plain_function_runs_with_its_arguments_and_the_health_check_is_kept(stack: Stack) -> None:
    seen: list[Any] = []

    async def add(ctx: dict[str, Any], one: int, *, other: int) -> None:
        seen.append((ctx["job_try"], one + other))

    functions = [*arq_options(stack.settings, Router())["functions"], arq.func(add, name="add")]
    stack.start_worker(Router(), worker_options={"functions": functions})

    async def enqueue(store: Store) -> None:
        pool = ArqRedis(store.redis.connection_pool, job_serializer=orjson.dumps)
        await pool.enqueue_job("add", 1, other=2, _queue_name=store.keys.queue)

    stack.ask(enqueue)
    wait_for(lambda: seen)
    assert seen == [(1, 3)]

    async def health(store: Store) -> bytes | None:
        known: bytes | None = await store.redis.get(f"{store.keys.queue}:health-check")
        return known

    assert b"j_complete" in wait_for(lambda: stack.ask(health))


def test_a_sweep_a_redelivery_and_a_cancel_while_an_event_runs_change_nothing(stack: Stack) -> None:
    begun, release = threading.Event(), threading.Event()
    runs: list[str] = []
    router = Router()

    @router.on("test.timer")
    async def timer(event: Event, ctx: Context) -> None:
        runs.append(event.id)
        begun.set()
        await asyncio.to_thread(release.wait, 20)

    @router.on("test.start")
    async def start(event: Event, ctx: Context) -> None:
        await ctx.schedule("test.timer", {}, after=0, key="timer")

    stack.start_worker(router)
    stack.deliver(first := envelope("test.start", {}))
    stack.ended(first)
    assert begun.wait(10)

    async def meddle(store: Store) -> None:
        await cancel(store, "schedule:timer", remember=60_000)
        assert (await sweep(store, first=0)) == 0

    stack.ask(meddle)
    assert stack.deliver(first).json() == {"status": "duplicate"}
    assert stack.ask(audit).clean
    release.set()
    assert stack.ended("schedule:timer").state == "done"
    assert runs == ["schedule:timer"]
    assert stack.ask(audit).clean
