"""Metrics of a worker: its handlers, and the events that end in its hands."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from service.messages.message_state import DOUBLE_DELIVERIES
from service.messages.reply import REPLIES_REFUSED
from service.monitoring.counters import CounterFamily, HistogramFamily
from service.monitoring.labels import Labels, event_types
from service.store.inbox.leases import Lease
from service.store.inbox.records import HandlerRecord


def _reasons() -> Labels:
    """Reasons that can be counted: words and codes; an author's sentence would make a series of its own each time."""
    return Labels(r"[A-Za-z_][A-Za-z0-9_]{0,39}|\d{3,5}", most=50)


@dataclass
class HandlerMetrics:
    """Runs of handlers by how they ended, and how long they took."""

    registry: CollectorRegistry = field(default_factory=CollectorRegistry)

    def __post_init__(self) -> None:
        self._reasons: defaultdict[str, Labels] = defaultdict(_reasons)
        self._runs = Counter(
            "ringback_handler_runs",
            "Runs of handlers by how they ended and why.",
            ["handler", "state", "reason"],
            registry=self.registry,
        )
        self._seconds = Histogram(
            "ringback_handler_seconds",
            "Duration of one run of a handler.",
            ["handler"],
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0),
            registry=self.registry,
        )
        self.registry.register(DOUBLE_DELIVERIES)
        self.registry.register(REPLIES_REFUSED)

    def count(self, handler: str, record: HandlerRecord, seconds: float) -> None:
        """One run has ended."""
        reason = self._reasons[handler].of(record.reason) if record.reason else ""
        self._runs.labels(handler, record.state, reason).inc()
        self._seconds.labels(handler).observe(seconds)


BY_TELNYX = frozenset({"webhook", "failover"})
"""Other events may be timed for later, so that their age says nothing."""


class EventMetrics(Collector):
    """Events by type and state, and how long they took from being accepted to their end."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._types = event_types()
        self._ended = CounterFamily(
            "ringback_events_ended",
            "Events that ended in the hands of this worker, by type and state.",
            ("type", "state"),
        )
        self._seconds = HistogramFamily(
            "ringback_accepted_to_ended_seconds",
            "From the acceptance of an event that Telnyx delivered to its end: done, ignored or dead.",
            (0.002, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0, 60.0, 300.0, 3600.0, 86400.0),
        )
        registry.register(self)

    def recorded(self, lease: Lease, state: str) -> None:
        """An event is in this state since now."""
        if state not in ("done", "ignored", "dead"):
            return
        record = lease.record
        self._ended.numbers[self._types.of(record.type), state] += 1
        if record.arrived_by in BY_TELNYX:
            self._seconds.took(max(0, lease.now() - record.received_at) / 1000)

    def collect(self) -> Iterable[Metric]:
        """The numbers."""
        return self._ended.family(), self._seconds.family()
