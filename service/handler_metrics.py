"""What a worker counts of its handlers."""

from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, Counter, Histogram

from service.store.records import HandlerRecord


@dataclass
class HandlerMetrics:
    """Runs of handlers by how they ended, and how long they took."""

    registry: CollectorRegistry = field(default_factory=CollectorRegistry)

    def __post_init__(self) -> None:
        self._runs = Counter(
            "ringback_handler_runs",
            "Runs of handlers by how they ended and why.",
            ["handler", "state", "reason"],
            registry=self.registry,
        )
        self._seconds = Histogram(
            "ringback_handler_seconds", "Duration of one run of a handler.", ["handler"], registry=self.registry
        )

    def count(self, handler: str, record: HandlerRecord, seconds: float) -> None:
        """One run has ended."""
        self._runs.labels(handler, record.state, record.reason or "").inc()
        self._seconds.labels(handler).observe(seconds)
