"""Requests whose timestamp is beyond the tolerance while no other verifies: this machine's clock may be off.

Anybody can send such requests. So they add a warning to `/readyz`, and never make the ingress unready.
"""

import time
from collections import deque
from dataclasses import dataclass, field

LEAST = 3
"""Requests that make a warning. A single one may be an old webhook that somebody sends again."""
WINDOW = 600.0
"""Seconds after which a request counts no longer."""


@dataclass
class ClockWatch:
    """The latest requests that were too old or too new."""

    refused: deque[tuple[float, int]] = field(default_factory=lambda: deque(maxlen=LEAST))
    """When they came (monotonic seconds), and their age. A webhook that verifies empties it: the clock is right."""

    def note_refused(self, age: int) -> None:
        """Note a request that was signed `age` seconds ago by its own timestamp. A negative one is ahead."""
        self.refused.append((time.monotonic(), age))

    def warning(self) -> str | None:
        """Return why webhooks are refused and what to do, or None where the clock seems right."""
        if len(self.refused) < LEAST or self.refused[0][0] < time.monotonic() - WINDOW:
            return None
        age = self.refused[-1][1]
        signed = f"{abs(age)} s {'ago' if age >= 0 else 'ahead'} by this machine's clock"
        return (
            f"webhooks are refused with 401, and none verifies: the latest was signed {signed}."
            " Next: set the clock. ringback doctor compares it with Telnyx's"
        )
