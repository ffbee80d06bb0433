"""The latest time without a worker: all were stopped, or the data is a backup that was restored.

The data of a backup looks the same as that of a deployment which was stopped. So a person has to decide.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

from service.store.store import Store

TOLD_FOR = 86_400_000
"""Milliseconds for which the doctor names a silence that has ended."""


@dataclass(frozen=True, slots=True)
class Silence:
    """A time of 10 minutes or more in which no worker gave a sign. Times are milliseconds since 1970.

    Effects of events from before `uncertain_before` may be missing in the ledger. Telnyx knows their keys no longer.
    """

    since: int
    until: int
    uncertain_before: int

    @property
    def description(self) -> str:
        """The silence in words, with what to do where the data was restored."""
        since, until = (
            f"{datetime.fromtimestamp(each / 1000, UTC):%Y-%m-%d %H:%M}" for each in (self.since, self.until)
        )
        text = f"no worker ran from {since} to {until} UTC. If the data was restored from a backup, see docs/backup.md"
        if self.uncertain_before < self.since:
            return text
        return f"{text}. Sends of older events go dead as ambiguous, and you decide"


async def latest_silence(store: Store) -> Silence | None:
    """Return the latest silence, also one that ends now, or None where there was none.

    Raises:
        redis.exceptions.RedisError: the server cannot be reached.
    """
    found = await store.run("latest_silence")
    return Silence(*found) if found else None
