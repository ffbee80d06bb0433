"""Accepting missed events in small batches, so that they never hold up the events that arrive meanwhile."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from service.settings import Settings
from service.store.inbox.healing import MissedEvent, Verdict, has_worker, heal, under_way
from service.store.store import Store

AT_ONCE = 6
"""Missed events that run or are due at the same time, at most a quarter of a worker's. Each delays a new event."""
LOOK = 0.01
"""Seconds between two looks at how many are left."""
PATIENCE = 30.0
"""Seconds that a batch waits for the one before it. A handler that takes longer must not stop healing."""


@dataclass
class Feed:
    """The way of missed events into the inbox. Without `act` nothing is changed, and it answers what would be.

    `in_worker` says that a worker feeds itself, even if it has not announced itself yet. `uncertain_too` takes events
    that may have sent messages which Telnyx no longer recognises.
    The queue is ordered by due time. A backlog that was accepted at once would stand before every new event.
    """

    store: Store
    settings: Settings
    act: bool = True
    in_worker: bool = False
    uncertain_too: bool = False
    _open: list[str] = field(default_factory=list)

    async def put(self, events: Sequence[MissedEvent]) -> list[tuple[Verdict, str]]:
        """Accept events, each once. Return what became of each, and the id of its record.

        Raises:
            redis.exceptions.RedisError: it is not known which are stored. Doing it again is harmless.
        """
        answers: list[tuple[Verdict, str]] = []
        most = max(1, min(AT_ONCE, self.settings.concurrency // 4))
        # Half at a time, so that some run while the next are brought.
        size = max(1, most // 2)
        for start in range(0, len(events), size):
            batch = events[start : start + size]
            await self._wait_for_room(most - len(batch))
            told = await heal(self.store, batch, retention=self.settings.retention, act=self.act)
            self._open += [event_id for verdict, event_id in told if verdict == "healed" and self.act]
            answers += told
        return answers

    async def _wait_for_room(self, left: int) -> None:
        """Wait until at most `left` of the accepted events are due or run. Without a worker nothing is waited for."""
        deadline = time.monotonic() + PATIENCE
        while True:
            self._open = await under_way(self.store, self._open, lease=self.settings.lease)
            if len(self._open) <= left or time.monotonic() >= deadline:
                return
            if not (self.in_worker or await has_worker(self.store)):
                return
            await asyncio.sleep(LOOK)
