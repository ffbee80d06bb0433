"""The probes of a process: `/healthz` (it turns), `/readyz` (its work can be done on Redis) and `/metrics`."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from redis.exceptions import RedisError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from service.store.connection import address_of
from service.store.inbox.audit import Totals, totals
from service.store.inbox.gauges import Memory, Queue, memory, queue
from service.store.permissions import Needs
from service.store.server_checks import trouble_working
from service.store.store import Store

TIMEOUT = 1.5
"""Seconds that Redis may take for all of them: a scrape goes on without them, rather than fail."""

_ANY = "The same on every process: read from Redis when asked."


@dataclass(frozen=True, slots=True)
class MetricsReading:
    """The numbers in Redis at one moment."""

    totals: Totals
    queue: Queue
    memory: Memory | None

    def families(self) -> Iterable[Metric]:
        """The form that prometheus-client exposes."""
        events = GaugeMetricFamily("ringback_events", f"Events that are remembered, by state. {_ANY}", labels=["state"])
        states = asdict(self.totals.counters)
        for state in ("open", "done", "ignored", "dead"):
            events.add_metric([state], states[state])
        yield events
        yield _gauge(
            "ringback_audit_difference",
            "By how much the counters of events contradict each other; `ringback audit` counts in full.",
            self.totals.difference,
        )
        yield _gauge(
            "ringback_queue_events",
            "Events in the queue: due, being worked on, put off, or timed for later.",
            self.queue.length,
        )
        yield _gauge("ringback_queue_due_events", "Events that are due and wait for a worker.", self.queue.due)
        yield _gauge("ringback_queue_age_seconds", "How long the first of those has waited.", self.queue.age)
        yield _gauge(
            "ringback_blocked_workers",
            "Workers whose event loop a handler blocks; the events that they hold count as due.",
            self.queue.blocked_workers,
        )
        if self.memory is None:
            return
        yield _gauge("ringback_redis_memory_used_bytes", "Memory that the server of Redis uses.", self.memory.used)
        if self.memory.limit is not None:
            yield _gauge(
                "ringback_redis_memory_headroom_bytes",
                "Memory that is left to it below its maxmemory; absent where that is not set.",
                self.memory.limit - self.memory.used,
            )


class Fixed(Collector):
    """Families that are ready, as a registry wants them."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = list(families)

    def collect(self) -> Iterable[Metric]:
        """The families."""
        return self._families


async def deployment(store: Store) -> Fixed:
    """Return the current numbers; only `ringback_redis_up` where Redis does not answer in time."""
    try:
        async with asyncio.timeout(TIMEOUT):
            reading = MetricsReading(await totals(store), await queue(store), await memory(store.redis))
    except (TimeoutError, RedisError, OSError):
        return Fixed([_answers(0)])
    return Fixed([_answers(1), *reading.families()])


def _answers(value: int) -> Metric:
    return GaugeMetricFamily("ringback_redis_up", "Whether Redis answered this process when it was asked.", value=value)


def _gauge(name: str, meaning: str, value: float) -> Metric:
    return GaugeMetricFamily(name, f"{meaning} {_ANY}", value=value)


class Exposition:
    """Makes the text, once for all requests at the same time: many scrapers do not multiply its cost."""

    def __init__(self, store: Store, registry: CollectorRegistry) -> None:
        self._store = store
        self._registry = registry
        self._making: asyncio.Task[bytes] | None = None

    async def text(self) -> bytes:
        """All metrics, in Prometheus's text format."""
        if self._making is None or self._making.done():
            self._making = asyncio.create_task(self._make())
        # Several scrapes share one text: one that goes away must not cancel it for the others.
        return await asyncio.shield(self._making)

    async def _make(self) -> bytes:
        whole = CollectorRegistry()
        whole.register(await deployment(self._store))
        return generate_latest(self._registry) + generate_latest(whole)


TIMEOUT = 1.5

Endpoint = Callable[[Request], Awaitable[Response]]
Check = Callable[[], Awaitable[str | None]]
"""Says in words why a process is not ready, else None."""


class HealthProbe:
    """Asks whether the work can be done, once for all who want to know at the same time.

    It asks on the connections of the work itself: one of its own might reach a server that the work does not.
    """

    def __init__(self, store: Store, needs: Needs) -> None:
        self._store = store
        self._needs = needs
        self._asking: asyncio.Task[str | None] | None = None

    async def trouble(self) -> str | None:
        """Return in words why it cannot within 1.5 s; None where it can."""
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask())
        # Several probes share one check: one that goes away must not cancel it for the others.
        return await asyncio.shield(self._asking)

    async def _ask(self) -> str | None:
        try:
            async with asyncio.timeout(TIMEOUT):
                return await trouble_working(self._store, self._needs)
        except TimeoutError:
            return f"Redis at {address_of(self._store.redis)} does not answer within {TIMEOUT:g} s"


def health_routes(
    probe: HealthProbe,
    store: Store,
    registry: CollectorRegistry,
    *,
    also: Check | None = None,
    warns: Check | None = None,
) -> list[Route]:
    """The three routes, for an ingress or a worker's own port; `also` is asked where the probe finds no trouble.

    `warns` adds warnings, and does not affect readiness. `store` is for the metrics.
    """
    exposition = Exposition(store, registry)

    async def healthz(_: Request) -> Response:
        return JSONResponse({"status": "alive"})

    async def readyz(_: Request) -> Response:
        trouble = await probe.trouble()
        if trouble is None and also is not None:
            trouble = await also()
        if trouble is not None:
            return JSONResponse({"error": trouble}, status_code=503)
        warning = await _warning(warns)
        return JSONResponse({"status": "ready"} if warning is None else {"status": "ready", "warning": warning})

    async def metrics(_: Request) -> Response:
        return Response(await exposition.text(), media_type=CONTENT_TYPE_LATEST)

    return [Route("/healthz", healthz), Route("/readyz", readyz), Route("/metrics", metrics)]


async def _warning(warns: Check | None) -> str | None:
    """Return what there is to know of beside the readiness; None too where Redis does not tell in time."""
    with suppress(TimeoutError, RedisError, OSError):
        async with asyncio.timeout(TIMEOUT):
            return await warns() if warns is not None else None
    return None
