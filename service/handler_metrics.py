"""What a worker counts of its handlers."""

import re
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, Counter, Histogram

from service.messages.state import DOUBLE_DELIVERIES
from service.store.records import HandlerRecord

_COUNTABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,39}|\d{3,5}")


def _label(reason: str | None) -> str:
    """A reason that can be counted: a word or a code; an author's sentence would make a series of its own each time."""
    if reason is None:
        return ""
    return reason if _COUNTABLE.fullmatch(reason) else "other"


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
        self.registry.register(DOUBLE_DELIVERIES)

    def count(self, handler: str, record: HandlerRecord, seconds: float) -> None:
        """One run has ended."""
        self._runs.labels(handler, record.state, _label(record.reason)).inc()
        self._seconds.labels(handler).observe(seconds)
