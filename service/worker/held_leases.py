"""The claims and leases of a worker."""

import asyncio
import itertools
import secrets
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from service.outbound.handler_run_state import Run
from service.store.inbox.leases import HeldLease, Lease
from service.store.inbox.records import HandlerRecord


@asynccontextmanager
async def fair_timeout(seconds: float, blocked: Callable[[], float]) -> AsyncIterator[asyncio.Timeout]:
    """Cancel the block after `seconds`, to which are added those for which others `blocked` the loop meanwhile.

    Raises:
        TimeoutError: the time is up.
    """
    loop = asyncio.get_running_loop()
    ends_at = time.monotonic() + seconds - blocked()
    async with asyncio.timeout(None) as timeout:
        timer: asyncio.TimerHandle

        def check() -> None:
            nonlocal timer
            left = ends_at + blocked() - time.monotonic()
            if left > 0:
                timer = loop.call_later(left, check)
            else:
                timeout.reschedule(loop.time())

        timer = loop.call_later(seconds, check)
        try:
            yield timeout
        finally:
            timer.cancel()


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


OVERDUE = 5.0
"""Seconds past its handlers' time-outs for which an event keeps its lease."""
LONGEST_BLOCKED = 10
"""Times the time-out for which an event keeps its lease while the handler of another blocks the event loop."""


@dataclass
class ActiveEvent:
    """One event in the worker's hands; times are of the monotonic clock, in seconds.

    `timeout` is the longest of its handlers'. Until `held_until` nobody else can have it. `finishing` says that the
    lease is being given back, `stopping` that its handlers are being cancelled by us. `ended` is what is to be recorded
    of handlers that have ended; `unrecorded` those of them that the loop has not recorded yet. `blocked` is for how
    long handlers of other events have blocked the event loop.
    """

    lease: Lease
    timeout: float
    held_until: float
    blockage: Blockage = field(default_factory=Blockage)
    task: "asyncio.Task[Any] | None" = None
    finishing: bool = False
    stopping: bool = False
    lost: bool = False
    blocked: float = 0.0
    began: float = field(default_factory=time.monotonic)
    runs: list[Run] = field(default_factory=list)
    ended: dict[str, HandlerRecord] = field(default_factory=dict)
    unrecorded: dict[str, HandlerRecord] = field(default_factory=dict)

    def culprit(self) -> Run | None:
        """Return the run of a handler of this event that blocks the event loop at this moment."""
        culprits = self.blockage.culprits if self.blockage.seconds() else frozenset[str]()
        return next((run for run in list(self.runs) if run.id in culprits), None)

    def is_overdue(self) -> bool:
        """Return whether it has had its time: a handler that blocks the loop must not keep a lease for ever."""
        now = time.monotonic()
        blocked = self.blocked_by_others()
        return not self.finishing and now >= min(self.began + self.timeout + OVERDUE + blocked, self._latest_end())

    def is_kept_waiting(self) -> bool:
        """Return whether it had no time of its own, as the handler of another event blocks the loop for too long."""
        culprits = self.blockage.culprits if self.blockage.seconds() else frozenset[str]()
        return bool(culprits) and self.culprit() is None and time.monotonic() >= self._latest_end()

    def blocked_by_others(self) -> float:
        """Return for how many seconds handlers of other events have blocked the event loop."""
        return self.blocked + (0.0 if self.culprit() else self._blocked_now(self.began))

    def blocked_beside(self, run: Run) -> float:
        """Return for how many seconds anybody but this run, its siblings too, has blocked the event loop."""
        culprits = self.blockage.culprits
        return run.blocked + (0.0 if run.id in culprits else self._blocked_now(run.began))

    def add_blocked(self, seconds: float) -> None:
        """Note that the loop was blocked for so long, which is over now."""
        if self.culprit() is None:
            self.blocked += min(seconds, time.monotonic() - self.began)
        for run in self.runs:
            if run.id not in self.blockage.culprits:
                run.blocked += min(seconds, time.monotonic() - run.began)

    def holds_lease(self) -> bool:
        """Return whether it is certain that nobody else runs this event."""
        return not self.lost and time.monotonic() < self.held_until

    def _latest_end(self) -> float:
        return self.began + max(LONGEST_BLOCKED * self.timeout, self.timeout + OVERDUE)

    def _blocked_now(self, since: float) -> float:
        return min(self.blockage.seconds(), time.monotonic() - since)


@dataclass
class HeldLeases:
    """The events of one worker, which is a random name, new at each start. Read by the lease keeper's thread too.

    `stopping` says that the worker's stop was announced: only then is what it runs handed back. `paused` names the
    handlers that were paused when work was last claimed. `told_of_unsealed` says that a body in the clear was logged.
    """

    lease: float
    worker: str = field(default_factory=lambda: secrets.token_hex(8))
    running: dict[str, ActiveEvent] = field(default_factory=dict)
    blockage: Blockage = field(default_factory=Blockage)
    stopping: bool = False
    paused: frozenset[str] = frozenset()
    told_of_unsealed: bool = False
    _numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))
    _unanswered: set[int] = field(default_factory=set)
    _latest: int = 0

    def number_a_claim(self) -> int:
        """The number of a new claim, which counts as unanswered until `answered`."""
        number = next(self._numbers)
        # In this order: the keeper's thread must never see a number that is neither unanswered nor settled.
        self._unanswered.add(number)
        self._latest = number
        return number

    def answered(self, number: int, leases: Iterable[Lease], *, timeout: Callable[[Lease], float]) -> None:
        """A claim was answered; `timeout` tells how many seconds the handlers of an event may take."""
        for lease in leases:
            self.running[lease.record.id] = ActiveEvent(
                lease, timeout(lease), held_until=lease.monotonic + self.lease, blockage=self.blockage
            )
        self._unanswered.discard(number)

    def given_up(self, number: int) -> None:
        """Note that a claim will not be repeated: its events are to be handed back."""
        self._unanswered.discard(number)

    def settled(self) -> int:
        """Return the number of the last claim that, like all before it, was answered or abandoned."""
        return min(self._unanswered, default=self._latest + 1) - 1

    def held(self) -> list[HeldLease]:
        """Return the leases to renew; abandoned ones are not among them."""
        running = list(self.running.items())
        return [HeldLease(event_id, each.lease.token) for event_id, each in running if not each.lost]

    def renewed(self, held: Iterable[HeldLease], *, asked_at: float) -> None:
        """The leases of these events run from when the renewal was asked for."""
        for each in held:
            running = self.running.get(each.event_id)
            if running is not None and running.lease.token == each.token and each.wish == "extend":
                running.held_until = asked_at + self.lease

    def let_go(self, running: ActiveEvent) -> None:
        """An event has left our hands; it may be back already, under another lease, which stays."""
        if self.running.get(running.lease.record.id) is running:
            del self.running[running.lease.record.id]

    def lose(self, event_id: str, token: str) -> None:
        """A lease is gone: whatever runs for it is stopped."""
        running = self.running.get(event_id)
        if running is None or running.lease.token != token or running.finishing:
            return
        running.lost = True
        if running.task is not None:
            running.task.cancel()
