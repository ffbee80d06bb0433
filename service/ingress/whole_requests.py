"""Requests that came as a whole: an application answers them without a task for each.

A task, its events and its coroutines cost as much as all of HTTP. A request whose body is still to come has them, and
so has every application without `taker`.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol, TypeVar, runtime_checkable

from service.ingress.answers import UNREAD, Answer, on_wire

T = TypeVar("T")

Headers = list[tuple[bytes, bytes]]
"""Names in small letters, and values."""
MAX_PER_TURN = 16
"""Requests that are taken before the loop looks at its sockets again.

All requests of a turn would otherwise come before the answer of Redis. Redis would then wait for the ingress, and the
ingress for Redis.
"""


class Connection(Protocol):
    """A connection, as the answer to its request needs it. `client` is the peer's address and port."""

    client: tuple[str, int] | None
    stays_open: bool

    def answer_whole(self, answer: bytes, *, closes: bool) -> None:
        """Send an answer. `closes` says that the connection ends with it."""


class WholeRequest:
    """A request with its whole body. `began` is seconds of the performance counter."""

    __slots__ = ("_connection", "began", "body", "headers", "is_abandoned")

    def __init__(self, connection: Connection, headers: Headers, body: bytes) -> None:
        self._connection = connection
        self.headers = headers
        self.body = body
        self.began = time.perf_counter()
        self.is_abandoned = False
        """Whether the client has gone. There is nobody to answer."""

    @property
    def client(self) -> tuple[str, int] | None:
        """The address and port of the peer."""
        return self._connection.client

    def answer(self, status: int, answer: Answer) -> None:
        """Send a JSON answer."""
        if not self.is_abandoned:
            closes = status in UNREAD or status == 500 or not self._connection.stays_open
            self._connection.answer_whole(on_wire(status, answer, closes=closes), closes=closes)


Taker = Callable[[WholeRequest], None]


@runtime_checkable
class TakesWholeRequests(Protocol):
    """An ASGI application that also answers whole requests."""

    def taker(self, url: bytes, server: tuple[str, int | None] | None) -> Taker | None:
        """Return the function that takes a POST to a URL at an address of the server, to answer it later.

        None where it must run as ASGI.
        """


class Turns:
    """Calls functions from the event loop, some in each of its turns, in the order in which they were added."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[Callable[[Any], None], Any]] = deque()
        self._is_due = False

    def add(self, call: Callable[[T], None], argument: T) -> None:
        """Call a function in one of the next turns."""
        self._waiting.append((call, argument))
        self._schedule()

    def _schedule(self) -> None:
        if self._waiting and not self._is_due:
            self._is_due = True
            asyncio.get_running_loop().call_soon(self._turn)

    def _turn(self) -> None:
        self._is_due = False
        try:
            for _ in range(min(MAX_PER_TURN, len(self._waiting))):
                call, argument = self._waiting.popleft()
                call(argument)
        finally:
            # One that raises must not hold up those behind it.
            self._schedule()
