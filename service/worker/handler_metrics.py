"""What a worker counts of its handlers."""

from collections import defaultdict
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, Counter, Histogram

from service.messages.message_state import DOUBLE_DELIVERIES
from service.messages.reply import REPLIES_REFUSED
from service.monitoring.labels import Labels
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
