"""The claims of one worker: at once, on a wake-up, or ahead of the handlers that run."""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from redis.exceptions import RedisError

from service.store.inbox.leases import ClaimedEvents, ClaimRequest, claim
from service.store.inbox.wake_up import claim_ahead, claim_when_woken
from service.store.store import Store
from service.worker.processor import Processor

NOTHING = ClaimedEvents([], [], None)
MAX_WAIT = 1.0
"""Seconds for which an idle worker waits for a wake-up. A token is a hint, never the only trigger."""
MIN_WAIT = 0.01


class Claims:
    """Claims events for a worker that runs `tasks`, at most `max_jobs` at once, while `is_open` says so.

    Where more is due than one claim takes, the next claim leaves before the handlers of the last one run. So Redis and
    handlers work at the same time. `waiting` is a store with connections for waits and for these claims. Results take
    others, so that neither waits for the other.
    """

    def __init__(
        self,
        processor: Processor,
        waiting: Store,
        tasks: Mapping[str, "asyncio.Task[Any]"],
        *,
        max_jobs: int,
        is_open: Callable[[], bool],
        burst: bool,
    ) -> None:
        self._processor, self._waiting, self._tasks = processor, waiting, tasks
        self._max_jobs, self._is_open, self._burst = max_jobs, is_open, burst
        self._in_flight: deque[asyncio.Task[ClaimedEvents]] = deque()
        self._number: int | None = None  # of the claim that is not answered
        # How many claimed events `take` has not returned yet.
        self._not_begun = 0
        self._rest: float | None = None  # seconds until the next job is due: nothing more is due before
        self._poison_suspects_wait = False

    def are_due(self) -> bool:
        """Return whether to `take` now: a claim is on its way, or there is room for one."""
        return bool(self._in_flight) or self._free() > 0

    async def take(self) -> ClaimedEvents:
        """Return what a claim brings, which is sent now unless one is on its way. Where it is cancelled, `hand_back`.

        Raises:
            redis.exceptions.RedisError: Redis cannot be reached. The next call repeats the claim.
        """
        if not self._in_flight:
            self._in_flight.append(asyncio.create_task(self._claim()))
        try:
            # The claim may take events although this task is cancelled.
            claimed = await asyncio.shield(self._in_flight[0])
        except Exception:
            self._in_flight.popleft()
            raise
        self._in_flight.popleft()
        self._not_begun -= len(claimed.leases)
        return claimed

    async def hand_back(self) -> None:
        """Hand back the events of claims that are on their way, as nobody is going to run them."""
        while self._in_flight:
            with suppress(RedisError, OSError):
                for lease in (await self._in_flight[0]).leases:
                    await self._processor.hand_back(lease)
            self._in_flight.popleft()

    async def _claim(self) -> ClaimedEvents:
        """Claim, on a wake-up where the latest claim found that nothing more is due."""
        rest, self._rest = self._rest, None
        if rest is None:
            return await self._held(await claim(self._processor.store, self._request()))
        return await self._held(await claim_when_woken(self._waiting, self._request, seconds=rest, idle=self._idle))

    async def _idle(self) -> None:
        """Wait until no handler runs. Tasks that only wait for Redis to record results cannot block the event loop."""
        leases = self._processor.leases
        await self._processor.ordering.answered()
        while len(self._tasks) > leases.finishing():
            await leases.await_room(MAX_WAIT)

    async def _claim_ahead(self, sent: asyncio.Event) -> ClaimedEvents:
        try:
            claimed = await claim_ahead(self._waiting, self._request(), sent=sent.set)
        finally:
            sent.set()
        return await self._held(claimed)

    async def _held(self, claimed: ClaimedEvents | None) -> ClaimedEvents:
        """Hold what was claimed. Where more may be due, send the next claim first."""
        if claimed is None or self._number is None:
            return NOTHING
        self._processor.hold(self._number, claimed)
        self._number = None
        self._not_begun += len(claimed.leases)
        self._poison_suspects_wait = claimed.poison_suspects > 0
        if not (claimed.is_full or self._burst):
            self._rest = MAX_WAIT if claimed.next_in is None else min(max(claimed.next_in, MIN_WAIT), MAX_WAIT)
        elif claimed.is_full and not self._burst and self._free() > 0:
            sent = asyncio.Event()
            self._in_flight.append(asyncio.create_task(self._claim_ahead(sent)))
            await sent.wait()
        return claimed

    def _request(self) -> ClaimRequest:
        """Return a claim. It has the number of the last one if the reply to that was lost, else a new number."""
        if self._number is None:
            self._number = self._processor.leases.start_claim()
        # Half of them at once, so that handlers run while Redis looks for the other half.
        limit = max(0, min(self._free(), -(-self._max_jobs // 2)))
        alone = not self._busy()
        return self._processor.request(self._number, limit=limit, alone=alone)

    def _busy(self) -> int:
        """Return how many events run, or are about to."""
        return len(self._tasks) + self._not_begun + self._processor.ordering.asking

    def _free(self) -> int:
        """Return how many events may be claimed: none beside a suspect, nor while one waits for the others to end.

        Events whose handlers have ended wait for Redis only. So as many others may run beside them.
        """
        leases, busy = self._processor.leases, self._busy()
        if not self._is_open() or leases.holds_suspect() or (self._poison_suspects_wait and busy):
            return 0
        return self._max_jobs - busy + min(self._max_jobs, leases.finishing())
