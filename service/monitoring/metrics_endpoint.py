"""The answer of `/metrics`: the counts of this process, and the numbers of the whole deployment from Redis."""

import asyncio
from collections.abc import Iterable
from dataclasses import asdict, dataclass

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from redis.exceptions import RedisError

from service.store.inbox.audit import Totals, totals
from service.store.inbox.gauges import Memory, Queue, memory, queue
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
