"""Metrics of a worker: of the runs of handlers, and of the ends of events."""

import threading
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable

import orjson
from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from service import clock
from service.messages.fallback_sending import DOUBLE_DELIVERIES
from service.messages.reply import REPLIES_REFUSED
from service.monitoring.counters import CounterFamily, HistogramFamily, HistogramsFamily, Labels, event_types
from service.store.inbox.accept import FROM_TELNYX
from service.store.inbox.handler_records import HandlerRecord
from service.store.inbox.handler_times import BOUNDS
from service.store.inbox.leases import Lease

_PICKUP, _RUN = ([f"{time}{number}" for number in range(len(BOUNDS) + 1)] for time in "pr")
"""Names of the buckets in `HandlerTimes`."""


def _reasons() -> Labels:
    """Return labels for reasons that are words or codes: each sentence would create a permanent time series."""
    return Labels(r"[A-Za-z_][A-Za-z0-9_]{0,39}|\d{3,5}", most=50)


class TimesRecorder:
    """Counts a worker's times until they are sent. The event loop writes it, and the renewer's thread reads it."""

    def __init__(self) -> None:
        # Held for a moment only. Without it, a count could get lost between the two threads.
        self._lock = threading.Lock()
        self._counts: defaultdict[str, defaultdict[str, defaultdict[str, int]]] = _empty()

    def observe(self, handler: str, *, pickup: float, run: float) -> None:
        """Count one run. Its event waited `pickup` milliseconds for it, and it took `run` milliseconds."""
        minute = str(int(clock.now() // 60))
        with self._lock:
            counts = self._counts[minute][handler]
            counts[_PICKUP[bisect_left(BOUNDS, pickup)]] += 1
            counts[_RUN[bisect_left(BOUNDS, run)]] += 1

    def take(self) -> bytes:
        """Return the counts since the last call, as `renew.lua` reads them. Empty where there are none."""
        with self._lock:
            taken, self._counts = self._counts, _empty()
        return orjson.dumps(taken) if taken else b""

    def give_back(self, taken: bytes) -> None:
        """Count again what was taken and could not be sent."""
        for minute, handlers in orjson.loads(taken or b"{}").items():
            for handler, counts in handlers.items():
                with self._lock:
                    for name, count in counts.items():
                        self._counts[minute][handler][name] += count


def _empty() -> "defaultdict[str, defaultdict[str, defaultdict[str, int]]]":
    return defaultdict(lambda: defaultdict(lambda: defaultdict(int)))


class HandlerMetrics(Collector):
    """Runs of handlers by how they ended, and how long they took."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = CollectorRegistry() if registry is None else registry
        self.times = TimesRecorder()
        self._reasons: defaultdict[str, Labels] = defaultdict(_reasons)
        self._runs = CounterFamily(
            "ringback_handler_runs",
            "Runs of handlers by how they ended and why.",
            ("handler", "state", "reason"),
        )
        self._seconds = HistogramsFamily(
            "ringback_handler_seconds",
            "Duration of one run of a handler.",
            "handler",
            (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0),
        )
        self._pickups = HistogramsFamily(
            "ringback_handler_wait_seconds",
            "Time for which due events waited for a run of a handler.",
            "handler",
            (0.005, 0.025, 0.1, 0.5, 1.0, 5.0, 30.0, 60.0, 300.0, 1800.0, 7200.0),
        )
        self._waits = CounterFamily(
            "ringback_order_waits",
            "Waits of handlers that run in order for an earlier event of the same key.",
            ("handler",),
        )
        for each in (self, DOUBLE_DELIVERIES, REPLIES_REFUSED):
            self.registry.register(each)

    def count(self, handler: str, record: HandlerRecord, seconds: float, *, waited: int) -> None:
        """Count a run that has ended. Its event waited so many milliseconds for it."""
        reason = self._reasons[handler].of(record.reason) if record.reason else ""
        self._runs.numbers[handler, record.state, reason] += 1
        self._seconds.observe(handler, seconds)
        self._pickups.observe(handler, max(0, waited) / 1000)
        self.times.observe(handler, pickup=waited, run=seconds * 1000)

    def exemplify(self, handler: str, seconds: float, trace_id: str) -> None:
        """Keep the trace of a run that took so many seconds."""
        self._seconds.exemplify(handler, seconds, trace_id)

    def count_wait(self, handler: str) -> None:
        """Count an event that waits for an earlier one of the same key."""
        self._waits.numbers[handler,] += 1

    def collect(self) -> Iterable[Metric]:
        """Return the numbers."""
        return self._runs.family(), self._seconds.family(), self._pickups.family(), self._waits.family()


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
