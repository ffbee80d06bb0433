"""The claims and leases of a worker."""

import asyncio
import itertools
import secrets
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from service.outbound.handler_run_state import Run, current_run
from service.store.inbox.handler_records import HandlerRecord
from service.store.inbox.leases import HeldLease, Lease
from service.store.inbox.order import Turn


class FairTimeout:
    """Cancels a block after `seconds`, to which are added those for which others `blocked` the loop meanwhile.

    Raises:
        TimeoutError: the time is up.
    """

    __slots__ = ("_blocked", "_ends_at", "_loop", "_seconds", "_timeout", "_timer")

    def __init__(self, seconds: float, blocked: Callable[[], float]) -> None:
        self._seconds, self._blocked = seconds, blocked
        self._timeout = asyncio.Timeout(None)

    def expired(self) -> bool:
        """Return whether the time was up."""
        return self._timeout.expired()

    async def __aenter__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._ends_at = time.monotonic() + self._seconds - self._blocked()
        await self._timeout.__aenter__()
        self._timer = self._loop.call_later(self._seconds, self._check)

    async def __aexit__(self, *raised: object) -> None:
        self._timer.cancel()
        await self._timeout.__aexit__(*raised)  # type: ignore[arg-type]

    def _check(self) -> None:
        left = self._ends_at + self._blocked() - time.monotonic()
        if left > 0:
            self._timer = self._loop.call_later(left, self._check)
        else:
            self._timeout.reschedule(self._loop.time())


MIN_BLOCKED = 1.0
"""Seconds from which on a loop that does not turn counts as blocked. Then the time-outs of others stand still."""


@dataclass
class Blockage:
    """The latest question whether the loop turns: `asked_at` (monotonic seconds) until it is answered.

    `blocking_runs` are ids of the runs that occupy the loop, `place` is the line of their code. `earlier` are the
    seconds of blockages that are over. Each attribute is replaced whole and has one writer at a time, so that no lock
    is needed.
    """

    asked_at: float | None = None
    earlier: float = 0.0
    blocking_runs: frozenset[str] = frozenset()
    place: str = ""

    def seconds(self) -> float:
        """Return for how long the loop has been blocked, or 0 where it is not."""
        asked_at = self.asked_at
        blocked = 0.0 if asked_at is None else time.monotonic() - asked_at
        return blocked if blocked >= MIN_BLOCKED else 0.0

    def total(self) -> float:
        """Return for how many seconds the loop has been blocked since the worker's start."""
        return self.earlier + self.seconds()


ABANDONED_WITHIN = 1.0
"""Seconds within which the renewer's thread abandons an overdue event."""
OVERDUE = 5.0
"""Seconds past its handlers' time-outs for which an event keeps its lease."""
MAX_BLOCKED = 10
"""Times the time-out for which an event keeps its lease while the handler of another blocks the event loop."""


@dataclass
class ActiveEvent:
    """An event that this worker runs. Times are of the monotonic clock, in seconds.

    - `timeout`: the longest of its handlers'. Until `held_until` no other worker can claim it.
    - `finishing`: the lease is being given back. `stopping`: the worker cancels its handlers.
    - `ended`: new records of ended handlers. `unrecorded`: those among them that are not stored yet.
    - `blocked`: seconds for which handlers of other events have blocked the event loop.
    - `without_key`: why handlers that run in order have no key for this event.
    - `turn`: which of them wait for earlier events, once that is known. `turns_given`: those that got their turn since.
      `turn_comes` is answered then.
    - `worker_ends`: returns whether the worker comes to its end, and cancels what it runs.
    """

    lease: Lease
    timeout: float
    held_until: float
    blockage: Blockage = field(default_factory=Blockage)
    worker_ends: Callable[[], bool] = lambda: False
    task: "asyncio.Task[Any] | None" = None
    finishing: bool = False
    stopping: bool = False
    lost: bool = False
    blocked: float = 0.0
    began: float = field(default_factory=time.monotonic)
    runs: list[Run] = field(default_factory=list)
    ended: dict[str, HandlerRecord] = field(default_factory=dict)
    unrecorded: dict[str, HandlerRecord] = field(default_factory=dict)
    without_key: dict[str, Exception] = field(default_factory=dict)
    turn: Turn | None = None
    turns_given: set[str] = field(default_factory=set)
    turn_comes: "asyncio.Future[bool] | None" = None

    def blocking_run(self) -> Run | None:
        """Return the run of a handler of this event that blocks the event loop at this moment."""
        blocking_runs = self.blockage.blocking_runs if self.blockage.seconds() else frozenset[str]()
        return next((run for run in list(self.runs) if run.id in blocking_runs), None)

    def is_overdue(self) -> bool:
        """Return whether its time is over: a handler that blocks the loop must not keep a lease for ever."""
        now, earliest = time.monotonic(), self.began + self.timeout + OVERDUE
        # Most events end before that, however long others blocked the loop.
        if self.finishing or now < earliest:
            return False
        return now >= min(earliest + self.blocked_by_others(), self._latest_end())

    def is_abandoned(self) -> bool:
        """Return whether the lease is lost, or the renewer's thread is about to abandon an overdue event.

        A call that holds the interpreter's lock holds up the thread too. The thread names the blocking handler only
        while the loop stands. So this waits without a turn of the loop.
        """
        until = time.monotonic() + ABANDONED_WITHIN
        while self.is_overdue() and not self.lost and time.monotonic() < until:
            time.sleep(0.01)
        return self.lost

    def is_starved(self) -> bool:
        """Return whether it got no time, as the handler of another event blocks the loop for too long."""
        blocking_runs = self.blockage.blocking_runs if self.blockage.seconds() else frozenset[str]()
        return bool(blocking_runs) and self.blocking_run() is None and time.monotonic() >= self._latest_end()

    def blocked_by_others(self) -> float:
        """Return for how many seconds handlers of other events have blocked the event loop."""
        return self.blocked + (0.0 if self.blocking_run() else self._blocked_now(self.began))

    def blocked_beside(self, run: Run) -> float:
        """Return for how many seconds anybody but this run, its siblings too, has blocked the event loop."""
        blocking_runs = self.blockage.blocking_runs
        return run.blocked + (0.0 if run.id in blocking_runs else self._blocked_now(run.began))

    def add_blocked(self, seconds: float) -> None:
        """Note that the loop was blocked for so long, which is over now."""
        if self.blocking_run() is None:
            self.blocked += min(seconds, time.monotonic() - self.began)
        for run in self.runs:
            if run.id not in self.blockage.blocking_runs:
                run.blocked += min(seconds, time.monotonic() - run.began)

    def is_cancelled(self) -> bool:
        """Return whether the worker cancels its handlers. Else a cancellation is a handler's own."""
        return self.stopping or self.lost or self.worker_ends()

    def holds_lease(self) -> bool:
        """Return whether it is certain that nobody else runs this event."""
        return not self.lost and time.monotonic() < self.held_until

    def _latest_end(self) -> float:
        return self.began + max(MAX_BLOCKED * self.timeout, self.timeout + OVERDUE)

    def _blocked_now(self, since: float) -> float:
        return min(self.blockage.seconds(), time.monotonic() - since)


@dataclass
class HeldLeases:
    """The events that one worker runs. The lease renewer's thread reads it too.

    `worker` is a random name, new at each start.

    `room` is set when the handlers of an event have ended, and when its task has. `main_task` is the worker's own.
    `stopping` says that the worker's stop was announced: only then is what it runs handed back. `paused` names the
    handlers that were paused when work was last claimed. `logged_unsealed` says that a body in the clear was logged.
    """

    lease: float
    worker: str = field(default_factory=lambda: secrets.token_hex(8))
    running: dict[str, ActiveEvent] = field(default_factory=dict)
    room: asyncio.Event = field(default_factory=asyncio.Event)
    blockage: Blockage = field(default_factory=Blockage)
    stopping: bool = False
    main_task: "asyncio.Task[Any] | None" = None
    paused: frozenset[str] = frozenset()
    logged_unsealed: bool = False
    _numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))
    _unanswered: set[int] = field(default_factory=set)
    _latest: int = 0

    def start_claim(self) -> int:
        """Return the number of a new claim, which counts as unanswered until `add_claimed`."""
        number = next(self._numbers)
        # In this order, so that the renewer's thread never takes the new number for an answered one.
        self._unanswered.add(number)
        self._latest = number
        return number

    def add_claimed(self, number: int, leases: Iterable[Lease], *, timeout: Callable[[Lease], float]) -> None:
        """Add the events of an answered claim. `timeout` returns the seconds that an event's handlers may take."""
        for lease in leases:
            held_until = lease.monotonic + self.lease
            self.running[lease.record.id] = ActiveEvent(
                lease, timeout(lease), held_until, self.blockage, self.is_ending
            )
        self._unanswered.discard(number)

    def is_ending(self) -> bool:
        """Return whether the worker is cancelled: its grace is over, or its event loop is brought down."""
        return self.main_task is not None and self.main_task.cancelling() > 0

    def abandon_claim(self, number: int) -> None:
        """Abandon a claim, so that its events are handed back."""
        self._unanswered.discard(number)

    def answered(self) -> int:
        """Return the number of the last claim that, like all before it, was answered or abandoned."""
        return min(self._unanswered, default=self._latest + 1) - 1

    async def await_room(self, seconds: float) -> None:
        """Wait until the handlers of an event have ended, at most so many seconds."""
        self.room.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.room.wait()

    def holds_suspect(self) -> bool:
        """Return whether it runs an event that must run alone."""
        return any(each.lease.alone for each in self.running.values())

    def finishing(self) -> int:
        """Return how many events wait for Redis alone, to record the results of handlers that have ended."""
        return sum(each.finishing for each in self.running.values())

    def held(self) -> list[HeldLease]:
        """Return the leases to renew. Abandoned ones are not among them."""
        running = list(self.running.items())
        return [HeldLease(event_id, each.lease.token) for event_id, each in running if not each.lost]

    def renewed(self, held: Iterable[HeldLease], *, asked_at: float) -> None:
        """Extend the leases of these events from the time of the renewal's request."""
        for each in held:
            running = self.running.get(each.event_id)
            if running is not None and running.lease.token == each.token and each.renewal_action == "extend":
                running.held_until = asked_at + self.lease

    def release(self, running: ActiveEvent) -> None:
        """Remove an event. If it is back already, under another lease, that stays."""
        # Each run refers to its event: both would wait for the garbage collector.
        running.runs.clear()
        if self.running.get(running.lease.record.id) is running:
            del self.running[running.lease.record.id]

    def lose_lease(self, event_id: str, token: str) -> None:
        """Cancel an event whose lease is gone."""
        running = self.running.get(event_id)
        if running is None or running.lease.token != token or running.finishing:
            return
        running.lost = True
        if running.task is not None:
            running.task.cancel()


def note_tasks(loop: asyncio.AbstractEventLoop) -> None:
    """Note each new task of this loop on the run that starts it, so that none is left behind."""

    def start(loop: asyncio.AbstractEventLoop, coro: object, **options: object) -> "asyncio.Task[object]":
        task: asyncio.Task[object] = asyncio.Task(coro, loop=loop, **options)  # type: ignore[arg-type]
        context = options.get("context")
        run = current_run.get() if context is None else context.get(current_run)  # type: ignore[attr-defined]
        if run is not None:
            run.tasks.add(task)
            task.add_done_callback(run.tasks.discard)
        return task

    loop.set_task_factory(start)  # type: ignore[arg-type]
