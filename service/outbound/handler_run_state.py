"""A handler's run for its calls to Telnyx: whether it may still act, and what overrides its result."""

import asyncio
import itertools
import secrets
import time
from collections import defaultdict
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cached_property

from service.outbound.api_call import Call
from service.outbound.errors import Refusal, TelnyxResponse
from service.outbound.gate import Gate
from service.security.masking import mask_numbers
from service.store.effects.ledger import Entry
from service.store.inbox.leases import Lease, LeaseLost

_PROCESS = secrets.token_hex(8)
_numbers = itertools.count()

CLEAR_FOR = 2.0
"""Seconds for which a way to Telnyx that was found clear is taken to be so."""


class Interrupted(BaseException):
    """The run must end. Its note says how.

    A BaseException, so that a handler's `except Exception` cannot swallow it. Where even this is caught, the worker
    trusts the note.
    """


class HandlerEnded(RuntimeError):
    """The handler has ended, so its `ctx.telnyx` is closed."""


NOTIFIED = "notified a person: "
_LONGEST_CAUSE = 100


def notified(cause: str) -> str:
    """Return the remark on a run that it notified a person, with numbers masked."""
    return NOTIFIED + mask_numbers(cause)[:_LONGEST_CAUSE]


@dataclass(eq=False)
class Run:
    """One run of one handler of one event.

    - `gate`: reads need not ask it until `clear_until` (monotonic seconds).
    - `returning`: the handler was deferred before because of a rate limit.
    - `note`: overrides the handler's result. `lease_lost`: nothing is recorded. `timed_out`: its time is up.
    - `redis_failure`: why the ledger is being waited for, while it is.
    - `entries`: the handler's own entries of the ledger.
    - `remarks`: lines for the event's timeline.
    - `task`: the task of the handler. `blocked`: seconds for which others blocked the event loop since it `began`.
    """

    lease: Lease
    handler: str
    holds_lease: Callable[[], bool]
    gate: Gate
    returning: bool = False
    note: Refusal | None = None
    lease_lost: bool = False
    ended: bool = False
    timed_out: bool = False
    redis_failure: Exception | None = None
    clear_until: float = 0.0
    entries: list[Entry] | None = None
    remarks: list[str] = field(default_factory=list)
    task: "asyncio.Task[object] | None" = None
    began: float = field(default_factory=time.monotonic)
    blocked: float = 0.0
    tasks: "set[asyncio.Task[object]]" = field(default_factory=set)

    @cached_property
    def id(self) -> str:
        """A name that no other run has."""
        return f"{_PROCESS}-{next(_numbers)}"

    # Most runs call nothing at Telnyx, so these are made when they are first needed.
    @cached_property
    def absent(self) -> set[str]:
        """The names of effects that the ledger did not know when it was last asked."""
        return set()

    @cached_property
    def used(self) -> dict[str, Call]:
        """The handler's own entries of the ledger that are taken, by name, and the calls that they are taken for."""
        return {}

    @cached_property
    def withdrawals(self) -> "dict[str, asyncio.Task[None]]":
        """Unfinished records that a call was cut off before it was sent."""
        return {}

    @cached_property
    def locks(self) -> "defaultdict[str, asyncio.Lock]":
        """A lock for each effect, by name, and one for `entries`, by an empty name."""
        return defaultdict(asyncio.Lock)

    @property
    def event_id(self) -> str:
        """The event that the handler reacts to."""
        return self.lease.record.id

    @property
    def gate_is_open(self) -> bool:
        """Whether a read of Telnyx need not ask the gate, nor report a success."""
        return time.monotonic() < self.clear_until

    async def acquire(self, call: Call) -> bool:
        """Wait until the gate lets a call go. Return whether a success has nothing to report.

        Raises:
            HandlerEnded, LeaseLost, Interrupted: it may not go.
        """
        answer = await self.gate.acquire(call, event_id=self.event_id, returning=self.returning)
        self.check()
        if isinstance(answer, Refusal):
            raise self.interrupt(answer)
        return answer.calm

    async def report(self, call: Call, answer: TelnyxResponse | None, *, clear: bool = False) -> Refusal | None:
        """Report an answer to the gate. See `Gate.report`."""
        return await self.gate.report(call, answer, event_id=self.event_id, clear=clear)

    def interrupt(self, refusal: Refusal) -> Interrupted:
        """Note the first of several refusals, which overrides the handler's result. To be raised."""
        if self.note is None:
            self.note = refusal
        return Interrupted()

    def lose_lease(self) -> LeaseLost:
        """Note that the run has no lease. To be raised."""
        self.lease_lost = True
        return LeaseLost()

    def check(self) -> None:
        """Refuse to go on where the run has come to its end.

        Raises:
            HandlerEnded: the handler has ended.
            LeaseLost: the lease is gone, so that no effect may begin.
            Interrupted: its result is already noted.
        """
        if self.ended:
            raise HandlerEnded("the handler has ended, so its ctx.telnyx is closed: await what it starts")
        if self.lease_lost or not self.holds_lease():
            raise self.lose_lease()
        if self.note is not None:
            raise Interrupted


current_run: ContextVar[Run | None] = ContextVar("current_run", default=None)


def take_note() -> Refusal:
    """Return the note of this task's run, which was interrupted, so that the handler can go on.

    Raises:
        Interrupted: there is no run, or it has no note.
    """
    run = current_run.get()
    if run is None or run.note is None:
        raise Interrupted
    note, run.note = run.note, None
    return note


def interrupted_by(note: Refusal) -> Interrupted:
    """Give this task's run a note again. To be raised."""
    run = current_run.get()
    return Interrupted() if run is None else run.interrupt(note)
