"""Metrics of the events that end in the hands of a worker."""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from service.monitoring.counters import CounterFamily, HistogramFamily, event_types
from service.store.inbox.accept import FROM_TELNYX
from service.store.inbox.leases import Lease


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
        """Count an event that ended just now, and its time since the acceptance. Other states count nothing."""
        if state not in ("done", "ignored", "dead"):
            return
        record = lease.record
        self._ended.numbers[self._types.of(record.type), state] += 1
        # Other events may be timed for later, so that their age says nothing.
        if record.arrived_by in FROM_TELNYX:
            self._seconds.observe(max(0, lease.now() - record.received_at) / 1000)

    def collect(self) -> Iterable[Metric]:
        """Return the numbers."""
        return self._ended.family(), self._seconds.family()
