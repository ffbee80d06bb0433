"""Whether the event loop is blocked at this moment, as its own thread and the one that watches it both see it."""

import time
from dataclasses import dataclass

SHORTEST = 1.0
"""Seconds from which on a loop that does not turn counts as blocked. Then the time-outs of others stand still."""


@dataclass
class Blockage:
    """The latest question whether the loop turns: `asked_at` (monotonic seconds) until it is answered.

    `culprits` are the ids of the runs of handlers that occupy the loop, `place` where their code stands. Each attribute
    is replaced whole and has one writer at a time, so that no lock is needed.
    """

    asked_at: float | None = None
    culprits: frozenset[str] = frozenset()
    place: str = ""

    def seconds(self) -> float:
        """Return for how long the loop has been blocked; 0 where it is not."""
        asked_at = self.asked_at
        blocked = 0.0 if asked_at is None else time.monotonic() - asked_at
        return blocked if blocked >= SHORTEST else 0.0
