"""Opening what a worker processes events with: client, lifespans, lease renewer."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from importlib import metadata
from typing import TYPE_CHECKING, Any

import structlog
from pydantic_settings import BaseSettings
from redis.exceptions import RedisError

from service import clock
from service.monitoring.tracebacks import tell_traceback
from service.monitoring.traces.switch import open_tracing
from service.outbound.client import open_client
from service.outbound.gate import Gate, GateMetrics
from service.outbound.sender import EffectMetrics
from service.routing import Router
from service.security.masking import describe_error
from service.settings import Settings
from service.store.batching import Batcher
from service.store.inbox.leases import FINISHED_AT_ONCE, HandlerResults, finish
from service.store.inbox.workers import WorkerSign, forget_worker
from service.store.store import Store
from service.subscription import Lifespan
from service.worker.handler_runner import HandlerServices, RunHandler, run_handler
from service.worker.held_leases import HeldLeases, note_tasks
from service.worker.lease_renewer import LeaseRenewer
from service.worker.load_router import CannotLoadHandlers
from service.worker.loop_watch import LoopWatch
from service.worker.metrics import EventMetrics, HandlerMetrics
from service.worker.ordering import Ordering, ordered_types
from service.worker.own_settings import read_own_settings
from service.worker.processor import Processor
from service.worker.readiness import notify_of_block

if TYPE_CHECKING:
    from service.monitoring.traces.tracing import Tracing

log = structlog.get_logger(__name__)

LEAVE_SECONDS = 1.0
SLOW_LIFESPAN = 5.0
"""Seconds after which the log says which lifespan the worker waits for. Then after twice as long each time."""


@asynccontextmanager
async def open_processor(
    settings: Settings,
    router: Router,
    redis_url: str,
    *,
    store: Store,
    handlers_store: Store,
    metrics: HandlerMetrics,
    own: Mapping[type[BaseSettings], BaseSettings] | None = None,
) -> AsyncIterator[Processor]:
    """Open a processor with its client, its routers' lifespans and its lease renewer, until the block ends.

    `own` are the routers' own settings. None reads them from the environment.
    """
    own = read_own_settings(router) if own is None else own
    leases = HeldLeases(settings.lease, main_task=asyncio.current_task())
    note_tasks(asyncio.get_running_loop())
    async with AsyncExitStack() as stack:
        # Without RINGBACK_NOTIFY people read the log, where the gate has written it.
        telling = partial(notify_of_block, store) if settings.notify else None
        gate = Gate(store, settings, GateMetrics(metrics.registry), telling)
        tracing = _opened_tracing(stack)
        telnyx = open_client(settings, store, EffectMetrics(metrics.registry), tracing)
        stack.push_async_callback(telnyx.close)
        watch = LoopWatch(asyncio.get_running_loop(), leases, router)
        # After the renewer's end, which would announce the worker again.
        stack.push_async_callback(_leave, store, leases.worker)
        renewer = LeaseRenewer(redis_url, store, leases, watch, sign=_sign(settings, router), times=metrics.times)
        renewer.start()
        # Callbacks run in reverse: `end` tells the thread to stop, then `join` waits for it.
        stack.callback(renewer.join)
        stack.callback(renewer.end)
        states = await _opened_lifespans(stack, router, watch)
        services = HandlerServices(settings, router, handlers_store, telnyx, gate, states, metrics, own)
        ordering = Ordering.of(services, store, leases)
        finishing = _finishing(store, settings, ordering)
        stack.push_async_callback(finishing.close, within=1.0)
        stack.push_async_callback(ordering.close)
        yield Processor(services, store, leases, finishing, EventMetrics(metrics.registry), ordering, _runner(tracing))


def _finishing(store: Store, settings: Settings, ordering: Ordering) -> "Batcher[HandlerResults, str]":
    return Batcher(
        partial(finish, store, at_turn=ordering.give),
        passing=(RedisError, OSError),
        patience=settings.lease,
        most=FINISHED_AT_ONCE,
        interval=ordering.interval,
    )


def _opened_tracing(stack: AsyncExitStack) -> "Tracing | None":
    tracing = open_tracing("worker")
    if tracing is not None:
        from service.worker.traced_runs import tracing_of_process  # noqa: PLC0415 - only where traces are on

        stack.push_async_callback(tracing.close)
        stack.enter_context(tracing_of_process(tracing))
    return tracing


def _runner(tracing: "Tracing | None") -> RunHandler:
    if tracing is None:
        return run_handler
    from service.worker.traced_runs import TracedRuns  # noqa: PLC0415 - only where traces are on

    return TracedRuns(tracing)


def _sign(settings: Settings, router: Router) -> WorkerSign:
    """Return what this worker says of itself."""
    return WorkerSign(
        name=f"{socket.gethostname()}:{os.getpid()}",
        version=metadata.version("ringback"),
        started_at=int(clock.now() * 1000),
        concurrency=settings.concurrency,
        source=settings.handlers,
        handlers=tuple(sorted(router.subscriptions)),
        ordered=ordered_types(router),
    )


async def _leave(store: Store, worker: str) -> None:
    """Leave the registry of workers. Without Redis, the others see for themselves that this one is gone."""
    with suppress(RedisError, OSError, TimeoutError):
        async with asyncio.timeout(LEAVE_SECONDS):
            await forget_worker(store, worker)


async def _opened_lifespans(stack: AsyncExitStack, router: Router, watch: LoopWatch) -> dict[Lifespan, Any]:
    """Open the lifespans of the routers until the stack ends, and return what they yield."""
    lifespans = {each.lifespan for each in router.subscriptions.values() if each.lifespan}
    return {lifespan: await _opened(stack, lifespan, watch) for lifespan in lifespans}


async def _opened(stack: AsyncExitStack, lifespan: Lifespan, watch: LoopWatch) -> Any:
    watch.opening = name = getattr(lifespan, "__qualname__", type(lifespan).__name__)
    waiting = asyncio.create_task(_log_waiting(name))
    try:
        return await stack.enter_async_context(lifespan())
    except Exception as error:  # noqa: BLE001 - the author's own code
        tell_traceback(error)
        raise CannotLoadHandlers(f"HANDLERS: the lifespan of a router failed: {describe_error(error)}") from None
    finally:
        watch.opening = None
        waiting.cancel()


async def _log_waiting(lifespan: str) -> None:
    """Log repeatedly that the worker does not start because a lifespan does not yield."""
    waited, pause = 0.0, SLOW_LIFESPAN
    while True:
        await asyncio.sleep(pause)
        waited, pause = waited + pause, min(2 * pause, 60.0)
        log.warning("the worker does not start before its lifespan yields", lifespan=lifespan, seconds=waited)
