"""Metrics of a worker's calls to Telnyx: effects, and waits at the gate."""

from dataclasses import dataclass, field
from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Histogram

from service.monitoring.labels import Labels
from service.outbound.api_call import Call
from service.store.effects.ledger import EffectOutcome

Result = EffectOutcome | Literal["stored", "found", "ambiguous", "would", "not_sent"]
"""The ledger's outcome of a request (`done`, `refused`, `withdrawn`, `put_off`, `unknown`), or how a call ended.

Without a request it was answered from the ledger (`stored`) or by a look at Telnyx (`found`), is for a person to settle
(`ambiguous`), was only written down (`would`), or was forbidden when its intent was to be written (`not_sent`).
"""


@dataclass
class EffectMetrics:
    """Effects by what they were to do and what came of them."""

    registry: CollectorRegistry = field(default_factory=CollectorRegistry)

    def __post_init__(self) -> None:
        self._operations = Labels(r"[A-Z]+ /[a-z0-9_]{1,40}", most=50)
        self._effects = Counter(
            "ringback_effects",
            "Calls that change something at Telnyx, by operation and result.",
            ["operation", "result"],
            registry=self.registry,
        )

    def ended(self, call: Call, result: Result) -> None:
        """This came of a call, or of one of its requests."""
        # Further segments name things; a method and a resource are few.
        resource = call.path.lstrip("/").partition("?")[0].partition("/")[0]
        self._effects.labels(self._operations.of(f"{call.method} /{resource}"), result).inc()


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
