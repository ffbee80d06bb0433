"""The endpoints of a process: `/healthz` (alive), `/readyz` (Redis allows its work) and `/metrics`."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict
from functools import partial
from typing import Any, Generic, TypeVar

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from redis.exceptions import RedisError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from service.store.connection import address_of
from service.store.inbox.audit import totals
from service.store.inbox.healing import HealState, state_of
from service.store.inbox.maintenance import Queue, memory, queue
from service.store.permissions import Needs
from service.store.server_checks import replicas_of, trouble_working
from service.store.store import Store

T = TypeVar("T")

TIMEOUT = 1.5
"""Seconds for Redis to answer. A scrape goes on without its numbers, rather than fail."""

_ANY = "The same on every process: read from Redis when asked."

Endpoint = Callable[[Request], Awaitable[Response]]
Check = Callable[[], Awaitable[str | None]]
"""A function that returns why a process is not ready, or None."""


class _Shared(Generic[T]):
    """The result of a function, computed once for all requests at the same time."""

    def __init__(self, compute: Callable[[], Coroutine[Any, Any, T]]) -> None:
        self._compute = compute
        self._task: asyncio.Task[T] | None = None

    async def get(self) -> T:
        """Return the result."""
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._compute())
        # A request that is cancelled must not cancel the result of the others.
        return await asyncio.shield(self._task)


class HealthProbe:
    """A check whether the work can be done, on the connections of the work: another might reach another server."""

    def __init__(self, store: Store, needs: Needs) -> None:
        self._store = store
        self._needs = needs
        self._shared = _Shared(self._check)

    async def trouble(self) -> str | None:
        """Return why the work cannot be done within 1.5 s, or None."""
        return await self._shared.get()

    async def _check(self) -> str | None:
        try:
            async with asyncio.timeout(TIMEOUT):
                return await trouble_working(self._store, self._needs)
        except TimeoutError:
            return f"Redis at {address_of(self._store.redis)} does not answer within {TIMEOUT:g} s"


class _Deployment(Collector):
    """The numbers of the deployment at one moment, as a registry takes them."""

    def __init__(
        self,
        gauges: Iterable[tuple[str, str, float]],
        states: Mapping[str, int] | None = None,
        healed: int = 0,
        queued: Queue | None = None,
    ) -> None:
        self._gauges = gauges
        self._states = states
        self._healed = healed
        self._queued = queued

    def collect(self) -> Iterator[Metric]:
        """Yield the gauges."""
        for name, meaning, value in self._gauges:
            yield GaugeMetricFamily(name, meaning, value=value)
        if self._states is not None:
            meaning = f"Events that were found at Telnyx because they had not arrived. {_ANY}"
            yield CounterMetricFamily("ringback_healed_events", meaning, value=self._healed)
            events = GaugeMetricFamily("ringback_events", f"Remembered events, by state. {_ANY}", labels=["state"])
            for state in ("open", "done", "ignored", "dead"):
                events.add_metric([state], self._states[state])
            yield events
        if self._queued is not None:
            queued = self._queued
            yield _by_handler(
                "ringback_order_waiting_events", "Events that wait for an earlier one of the same key.", queued.turns
            )
            yield _by_handler(
                "ringback_handler_backlog_events",
                "Events that a handler ran for, or was held for, and has not ended.",
                {name: each.events for name, each in queued.backlogs.items()},
            )
            yield _by_handler(
                "ringback_handler_backlog_age_seconds",
                "Time since a handler left the first of these events open.",
                {name: each.age for name, each in queued.backlogs.items()},
            )


def _by_handler(name: str, meaning: str, numbers: Mapping[str, float]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, f"{meaning} {_ANY}", labels=["handler"])
    for handler, number in numbers.items():
        family.add_metric([handler], number)
    return family


class _Both(CollectorRegistry):
    """The numbers of a process and of the deployment. OpenMetrics wants one document."""

    def __init__(self, *collectors: Collector) -> None:
        super().__init__()
        self._collectors = collectors

    def collect(self) -> Iterator[Metric]:
        """Yield all of them."""
        for each in self._collectors:
            yield from each.collect()


async def _deployment(store: Store) -> _Deployment:
    """Return the current numbers. Without an answer of Redis they are `ringback_redis_up` alone."""
    answers = ("ringback_redis_up", "Whether Redis answered this process when it was asked.")
    try:
        async with asyncio.timeout(TIMEOUT):
            counted, queued, used = await totals(store), await queue(store), await memory(store.redis)
            healing, followed = await state_of(store), await replicas_of(store.redis)
    except (TimeoutError, RedisError, OSError):
        return _Deployment([(*answers, 0)])
    gauges: list[tuple[str, str, float]] = [
        ("ringback_audit_difference", "Difference between the counters of events.", counted.difference),
        ("ringback_queue_events", "Events in the queue: due, leased, deferred or scheduled.", queued.length),
        ("ringback_queue_due_events", "Due events that wait for a worker.", queued.due),
        ("ringback_queue_age_seconds", "Waiting time of the first due event.", queued.age),
        ("ringback_workers", "Workers that gave a sign within 15 s and are not stopping.", queued.workers),
        ("ringback_blocked_workers", "Workers with an event loop that a handler blocks.", queued.blocked_workers),
    ]
    if used is not None:
        gauges.append(("ringback_redis_memory_used_bytes", "Memory that the Redis server uses.", used.used))
        if used.limit is not None:
            headroom = used.limit - used.used
            gauges.append(("ringback_redis_memory_headroom_bytes", "Memory left below its maxmemory.", headroom))
    if followed is not None:
        behind = followed.behind(store.replicas)
        gauges.append(("ringback_replicas_behind", "Replicas that do not follow, or that are missing.", behind))
    gauges += _healing_gauges(healing)
    told = [(name, f"{meaning} {_ANY}", value) for name, meaning, value in gauges]
    healed = healing.healed if healing is not None else 0
    return _Deployment([(*answers, 1), *told], asdict(counted.counters), healed, queued)


def _healing_gauges(healing: HealState | None) -> list[tuple[str, str, float]]:
    """Return the gauges of healing, 0 before its first turn."""
    until = "Time until which Telnyx's deliveries were looked at, 0 before the first turn of healing."
    failed = "Events that the latest turn of healing could not heal."
    has_healed = healing is not None and healing.turn_at is not None
    return [
        ("ringback_healed_until_seconds", until, healing.until if healing is not None and has_healed else 0),
        ("ringback_unhealed_events", failed, healing.failed if healing is not None else 0),
    ]


def health_routes(
    probe: HealthProbe,
    store: Store,
    registry: CollectorRegistry,
    *,
    also: Check | None = None,
    warns: Check | None = None,
) -> list[Route]:
    """Return the three routes, for an ingress or a worker's own port. `also` runs where the probe finds no trouble.

    `warns` adds warnings, and does not affect readiness. `store` is for the metrics.
    """
    shared = _Shared(partial(_deployment, store))

    async def healthz(_: Request) -> Response:
        return JSONResponse({"status": "alive"})

    async def readyz(_: Request) -> Response:
        trouble = await probe.trouble()
        if trouble is None and also is not None:
            trouble = await also()
        if trouble is not None:
            return JSONResponse({"error": trouble}, status_code=503)
        warning = await _warning(warns) if warns is not None else None
        return JSONResponse({"status": "ready"} | ({} if warning is None else {"warning": warning}))

    async def metrics(request: Request) -> Response:
        encode, media_type = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(_Both(registry, await shared.get())), headers={"content-type": media_type})

    return [Route("/healthz", healthz), Route("/readyz", readyz), Route("/metrics", metrics)]


async def _warning(warns: Check) -> str | None:
    """Return a warning beside the readiness. Return None too where Redis does not answer in time."""
    with suppress(TimeoutError, RedisError, OSError):
        async with asyncio.timeout(TIMEOUT):
            return await warns()
    return None
