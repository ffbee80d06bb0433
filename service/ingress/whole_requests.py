"""Requests that came as a whole: an application answers them without a task for each.

A task, its events and its coroutines cost as much as all of HTTP. A request whose body is still to come has them, and
so has every application without `take`.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

from starlette.types import ASGIApp, Scope
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from service.ingress.answers import write_answer

MAX_PER_TURN = 16
"""Requests that are taken before the loop looks at its sockets again.

All requests of a turn would otherwise come before the answer of Redis. Redis would then wait for the ingress, and the
ingress for Redis.
"""


class WholeRequest:
    """A request with its whole body. `began` is seconds of the performance counter."""

    __slots__ = ("_cycle", "_run", "began")

    def __init__(self, cycle: RequestResponseCycle, run: Callable[[RequestResponseCycle, Any], None]) -> None:
        self._cycle = cycle
        self._run = run
        self.began = time.perf_counter()

    @property
    def scope(self) -> Scope:
        """The scope, as ASGI has it."""
        return self._cycle.scope  # type: ignore[return-value]

    @property
    def body(self) -> bytes:
        """The body."""
        return bytes(self._cycle.body)

    @property
    def is_abandoned(self) -> bool:
        """Whether the client has gone. There is nobody to answer."""
        return self._cycle.disconnected

    @property
    def expects_word(self) -> bool:
        """Whether the client waits for a word before it believes that its body is wanted."""
        return self._cycle.waiting_for_100_continue

    def write(self, answer: bytes) -> bool:
        """Send a whole answer, head and body. Return False and do nothing where only `run` can."""
        if not write_answer(self._cycle, answer):
            return False
        # Else the connection and its last request would wait for the garbage collector.
        self._cycle.on_response = _nothing
        return True

    def run(self, app: ASGIApp) -> None:
        """Let an ASGI application answer, in a task."""
        self._run(self._cycle, app)


@runtime_checkable
class TakesWholeRequests(Protocol):
    """An ASGI application that also answers whole requests."""

    def take(self, request: WholeRequest) -> bool:
        """Take a request, to answer it later. Return False where it must run as ASGI."""


class Turns:
    """Calls functions from the event loop, some in each of its turns, in the order in which they were added."""

    def __init__(self) -> None:
        self._waiting: deque[Callable[[], None]] = deque()
        self._is_due = False

    def add(self, call: Callable[[], None]) -> None:
        """Call a function in one of the next turns."""
        self._waiting.append(call)
        self._schedule()

    def _schedule(self) -> None:
        if self._waiting and not self._is_due:
            self._is_due = True
            asyncio.get_running_loop().call_soon(self._turn)

    def _turn(self) -> None:
        self._is_due = False
        try:
            for _ in range(min(MAX_PER_TURN, len(self._waiting))):
                self._waiting.popleft()()
        finally:
            # One that raises must not hold up those behind it.
            self._schedule()


def _nothing() -> None:
    """Do nothing."""
