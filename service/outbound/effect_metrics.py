"""What a worker counts of effects: the calls of its handlers that change something at Telnyx."""

from dataclasses import dataclass, field
from typing import Literal

from prometheus_client import CollectorRegistry, Counter

from service.monitoring.labels import Labels
from service.outbound.api_call import Call
from service.store.effects.ledger import EffectOutcome

Result = EffectOutcome | Literal["stored", "found", "ambiguous", "would", "not_sent"]
"""What the ledger says of a request (`done`, `refused`, `withdrawn`, `put_off`, `unknown`), or how a call ended.

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
