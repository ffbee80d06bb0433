"""The schedule of a chaos run: which fault strikes after how many events. The seed alone decides it."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

PROCESSES = ("kill worker", "kill ingress", "stop worker", "stop ingress", "SIGTERM to workers", "SIGTERM to ingress")
DEPLOYS = ("deploy worker", "deploy ingress")
TELNYX = (
    "cut Telnyx",
    "stall Telnyx",
    "outage of Telnyx",
    "429",
    "500",
    "500 after work",
    "answers lost",
    "requests lost",
    "slow answers",
    "slow bodies",
    "garbled answers",
)
CUSTOMER = ("cut customer", "stall customer", "outage of customer")
OPERATORS = ("erase", "retry", "replay", "heal", "repair", "pause")
ONE_SERVER = (
    "cut Redis",
    "stall Redis",
    "refuse Redis",
    "kill server",
    "stop server",
    "full disk",
    "full memory",
)
FAILOVERS = ("kill primary", "stop primary", "drop connections")
KINDS: Mapping[str, Sequence[str]] = {
    "server": (*PROCESSES, *DEPLOYS, *TELNYX, *CUSTOMER, *OPERATORS, *ONE_SERVER),
    "sentinel": (*PROCESSES, *DEPLOYS, *TELNYX, *CUSTOMER, *OPERATORS, *FAILOVERS),
    "cluster": (*PROCESSES, *DEPLOYS, *TELNYX, *CUSTOMER, *OPERATORS, *FAILOVERS),
}
"""The faults by what stands in for Redis: one server, three behind sentinels, or a cluster."""


@dataclass(frozen=True)
class Strike:
    """One fault. It begins after so many delivered events, strikes this target (a number), and lasts some seconds."""

    after: int
    kind: str
    target: int
    seconds: float


def plan(seed: int, events: int, backend: str, *, between: int) -> list[Strike]:
    """Return the strikes of a run, each kind about as often as the others."""
    chosen = random.Random(f"{seed} {backend}")
    kinds: list[str] = []
    strikes = []
    for after in range(between, events, between):
        if not kinds:
            kinds = chosen.sample(KINDS[backend], len(KINDS[backend]))
        strikes.append(Strike(after, kinds.pop(), chosen.randrange(1000), round(chosen.uniform(0.5, 3.0), 1)))
    return strikes
