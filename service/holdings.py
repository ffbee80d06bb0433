"""What a worker holds: the claims it has asked for, and the leases of the events that it runs."""

import asyncio
import itertools
import secrets
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

from service.store.leases import Held, Lease


@dataclass
class Running:
    """One event in the worker's hands; times are of the monotonic clock, in seconds.

    After `overdue_at` its lease is left to lapse: a handler that blocks the loop must not keep it for ever. Until
    `held_until` nobody else can have it. `finishing` says that the lease is being given back, `stopping` that its
    handlers are being cancelled by us.
    """

    lease: Lease
    overdue_at: float
    held_until: float
    task: "asyncio.Task[Any] | None" = None
    finishing: bool = False
    stopping: bool = False
    lost: bool = False

    def wish(self, now: float) -> Literal["extend", "leave", "overdue"]:
        """What a renewal at `now` is to do about it."""
        if self.finishing:
            return "leave"
        return "extend" if now < self.overdue_at else "overdue"

    def holds_lease(self) -> bool:
        """Whether it is certain that nobody else runs this event."""
        return not self.lost and time.monotonic() < self.held_until


@dataclass
class Holdings:
    """The events of one worker, which is a random name, new at each start. Read by the lease keeper's thread too.

    `stopping` says that the worker's stop was announced: only then is what it runs handed back. `paused` names the
    handlers that were paused when work was last claimed. `told_of_unsealed` says that a body in the clear was logged.
    """

    lease: float
    worker: str = field(default_factory=lambda: secrets.token_hex(8))
    running: dict[str, Running] = field(default_factory=dict)
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

    def answered(self, number: int, leases: Iterable[Lease], *, patience: Callable[[Lease], float]) -> None:
        """A claim was answered; `patience` tells how many seconds an event may take."""
        for lease in leases:
            self.running[lease.record.id] = Running(
                lease, overdue_at=time.monotonic() + patience(lease), held_until=lease.monotonic + self.lease
            )
        self._unanswered.discard(number)

    def given_up(self, number: int) -> None:
        """A claim will not be repeated: what it took is to be handed back."""
        self._unanswered.discard(number)

    def settled(self) -> int:
        """The number of the last claim of which, like of all before it, the answer is known."""
        return min(self._unanswered, default=self._latest + 1) - 1

    def held(self) -> list[Held]:
        """What runs, for renewal."""
        now = time.monotonic()
        return [Held(event_id, each.lease.token, each.wish(now)) for event_id, each in list(self.running.items())]

    def renewed(self, held: Iterable[Held], *, asked_at: float) -> None:
        """The leases of these events run from when the renewal was asked for."""
        for each in held:
            running = self.running.get(each.event_id)
            if running is not None and running.lease.token == each.token and each.wish == "extend":
                running.held_until = asked_at + self.lease

    def let_go(self, running: Running) -> None:
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
