"""A handler's run as the outbound side sees it: whether it may still act, and what it is to end in whatever it does."""

import asyncio
import secrets
import time
from collections import defaultdict
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field

from service.outbound.errors import Refusal
from service.outbound.gate import Gate
from service.store.effects.ledger import Entry
from service.store.inbox.leases import Lease, LeaseLost

CLEAR_FOR = 2.0
"""Seconds for which a way to Telnyx that was found clear is taken to be so."""


class Interrupted(BaseException):
    """The run must end; its note says how.

    No Exception, so that a handler's `except telnyx.APIError`, or `except Exception`, cannot swallow it; and where even
    this is caught, the worker trusts the note.
    """


class HandlerEnded(RuntimeError):
    """The handler has ended, so its `ctx.telnyx` is closed."""


@dataclass
class Run:
    """One run of one handler of one event.

    `gate` is the way to Telnyx. It is known to be clear until `clear_until` (monotonic seconds), and `absent` names
    effects that the ledger did not know when it was last looked at. `note` is what the run ends in, whatever the
    handler makes of the exception; `lease_lost` that it ends in nothing. `returning` says that it was put off
    before because of a rate limit. `entries` is what the ledger knew when the run first asked and what was added
    since, `used` the names among them that calls of this run have taken. `remarks` are for the event's story,
    `taking_back` what is being noted of calls that were cut off before they were sent. `task` is the one that the
    handler runs in; `blocked` for how many seconds others blocked the event loop since it `began` (monotonic
    seconds).
    """

    lease: Lease
    handler: str
    holds_lease: Callable[[], bool]
    gate: Gate
    returning: bool = False
    id: str = field(default_factory=lambda: secrets.token_hex(8))
    note: Refusal | None = None
    lease_lost: bool = False
    ended: bool = False
    clear_until: float = 0.0
    absent: set[str] = field(default_factory=set)
    entries: list[Entry] | None = None
    used: set[str] = field(default_factory=set)
    remarks: list[str] = field(default_factory=list)
    task: "asyncio.Task[object] | None" = None
    began: float = field(default_factory=time.monotonic)
    blocked: float = 0.0
    tasks: "set[asyncio.Task[object]]" = field(default_factory=set)
    taking_back: "dict[str, asyncio.Task[None]]" = field(default_factory=dict)
    turns: "defaultdict[str, asyncio.Lock]" = field(default_factory=lambda: defaultdict(asyncio.Lock))

    @property
    def event_id(self) -> str:
        """The event that the handler reacts to."""
        return self.lease.record.id

    @property
    def way_is_clear(self) -> bool:
        """Whether a read of Telnyx need neither ask nor, if it succeeds, tell the gate."""
        return time.monotonic() < self.clear_until

    def interrupt(self, refusal: Refusal) -> Interrupted:
        """Note what the run ends in, the first of several; to be raised."""
        if self.note is None:
            self.note = refusal
        return Interrupted()

    def lose_lease(self) -> LeaseLost:
        """Note that nothing of this run may be recorded; to be raised."""
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


def note_tasks(loop: asyncio.AbstractEventLoop) -> None:
    """From now on, remember of each task of this loop the run that it was started in, so that none is left behind."""

    def start(loop: asyncio.AbstractEventLoop, coro: object, **options: object) -> "asyncio.Task[object]":
        task: asyncio.Task[object] = asyncio.Task(coro, loop=loop, **options)  # type: ignore[arg-type]
        context = options.get("context")
        run = current_run.get() if context is None else context.get(current_run)  # type: ignore[attr-defined]
        if run is not None:
            run.tasks.add(task)
            task.add_done_callback(run.tasks.discard)
        return task

    loop.set_task_factory(start)  # type: ignore[arg-type]
