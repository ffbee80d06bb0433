"""What a worker counts at the gate to Telnyx."""

from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, Counter, Histogram

NO_PRODUCT = "other"


@dataclass
class GateMetrics:
    """How long calls waited for their slot, and how many put their handler off."""

    registry: CollectorRegistry = field(default_factory=CollectorRegistry)

    def __post_init__(self) -> None:
        self._seconds = Histogram(
            "ringback_gate_wait_seconds",
            "Time that a call to Telnyx waited to be let through.",
            ["product"],
            buckets=(0.005, 0.05, 0.1, 0.25, 0.5, 1.0, 1.5, 2.0, 2.5),
            registry=self.registry,
        )
        self._put_off = Counter(
            "ringback_gate_put_off",
            "Calls to Telnyx whose handler was put off to its turn.",
            ["product"],
            registry=self.registry,
        )

    def waited(self, product: str | None, seconds: float) -> None:
        """A call was let through."""
        self._seconds.labels(product or NO_PRODUCT).observe(seconds)

    def put_off(self, product: str | None) -> None:
        """A call has to come back."""
        self._put_off.labels(product or NO_PRODUCT).inc()
