"""Webhooks that come as a whole: they are answered without all that ASGI needs for a request.

A scope, a cycle, an event and a task for each cost more than the rest of HTTP. Starlette's middleware and router cost a
tenth of a request. A request whose body does not come with its head has all of these. So has every application without
`taker`.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Protocol, TypeVar, runtime_checkable

from starlette.applications import Starlette
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from service.ingress.answers import UNREAD, Answer, AnswerTransport, on_wire

T = TypeVar("T")

Headers = list[tuple[bytes, bytes]]
"""Names in small letters, and values."""
MAX_PER_TURN = 16
"""Requests that are taken before the loop looks at its sockets again.

All requests of a turn would otherwise come before the answer of Redis. Redis would then wait for the ingress, and the
ingress for Redis.
"""


class Answerable(Protocol):
    """A request as its answer needs it. `began` is seconds of the performance counter."""

    began: float
    headers: Headers

    @property
    def client(self) -> tuple[str, int] | None:
        """The address and port of the peer."""

    def answer(self, status: int, answer: Answer) -> None:
        """Send a JSON answer."""


class WholeRequest:
    """A request with its whole body. `began` is seconds of the performance counter."""

    __slots__ = ("_connection", "began", "body", "headers", "is_abandoned")

    def __init__(self, connection: "WholeRequestProtocol", headers: Headers, body: bytes) -> None:
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


class WebhookReception(Protocol):
    """An ASGI endpoint that also takes whole requests."""

    def take(self, request: WholeRequest) -> None:
        """Answer a whole request, now or later."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer any other request."""


class WebhookApplication(Starlette):
    """Starlette, and before its middleware and router a reception for each path of `receptions`."""

    def __init__(self, receptions: Mapping[str, WebhookReception], **options: Any) -> None:
        super().__init__(**options)
        self._receptions = receptions
        turns = Turns()
        self._takers = {path.encode(): partial(turns.add, each.take) for path, each in receptions.items()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        reception = self._receptions.get(scope["path"]) if scope["type"] == "http" else None
        if reception is None or scope.get("root_path") or self.user_middleware:
            await super().__call__(scope, receive, send)
        else:
            await reception(scope, receive, send)

    def taker(self, url: bytes, server: tuple[str, int | None] | None) -> Taker | None:
        """Return the function that takes a webhook whose whole body is here."""
        del server
        return None if self.user_middleware else self._takers.get(url)


class WholeRequestProtocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol. Where the application takes a request, it answers by `answer_whole`."""

    transport: asyncio.Transport

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.lingers = False
        self.stays_open = True
        """Whether the connection may stay open after its answers: not once the server stops."""
        self._answering = AnswerTransport(self)
        self._keep_alive = True
        self._unstarted: tuple[RequestResponseCycle, Any] | None = None
        self._takes_whole = isinstance(self.app, TakesWholeRequests)
        self._taker: Taker | None = None
        """Takes the request whose body is being read, if that comes with the same data."""
        self._pieces: list[bytes] = []
        self._whole: WholeRequest | None = None
        """The whole request that is being answered."""

    @property
    def is_idle(self) -> bool:
        """Whether no request is being answered."""
        # Before the first request there is no cycle, whatever uvicorn's annotation says.
        cycle: RequestResponseCycle | None = self.cycle
        return self._whole is None and (cycle is None or cycle.response_complete)

    def connection_lost(self, exc: Exception | None) -> None:
        """End the request that is being answered."""
        self.abandon()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """Begin a request."""
        self.url, self.headers, self.expect_100_continue = b"", [], False

    def on_headers_complete(self) -> None:
        """Answer the request."""
        self._taker = self._taker_of_request() if self._takes_whole else None
        if self._taker is None:
            self._open_cycle()

    def on_body(self, body: bytes) -> None:
        """Take a part of the body."""
        if self._taker is not None:
            self._pieces.append(body)
        else:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """End the request's body."""
        if self._taker is not None:
            self._take(self._taker)
            return
        super().on_message_complete()
        if not self.cycle.response_started:
            self.cycle.keep_alive = self._keep_alive and self.stays_open

    def on_response_complete(self) -> None:
        """Wait for the next request."""
        super().on_response_complete()
        self.start()

    def answer_whole(self, answer: bytes, *, closes: bool) -> None:
        """Answer the request that came as a whole. `closes` ends the connection."""
        self._whole = None
        self.transport.write(answer)
        if closes:
            self.end_after_answer()
        self.on_response_complete()

    def end_after_answer(self) -> None:
        """End the connection."""
        self.transport.close()

    def start(self) -> None:
        """Start to answer the request whose head has come, with all data that has come."""
        if self._taker is not None:
            # The rest of its body is still to come.
            self._open_cycle()
        if self._unstarted is not None:
            started, self._unstarted = self._unstarted, None
            super()._start_asgi_task(*started)

    def abandon(self) -> None:
        """Let nobody answer the request that came as a whole."""
        if self._whole is not None:
            self._whole.is_abandoned = True
            self._whole = None

    def shutdown(self) -> None:
        """End the connection after the answer that is being made."""
        self.stays_open = False
        if self._whole is None:
            super().shutdown()

    def _taker_of_request(self) -> Taker | None:
        """Return the function that takes the request whose head has come. None where it must run as ASGI."""
        parser = self.parser
        plain = parser.get_method() == b"POST" and parser.get_http_version() == "1.1" and not self.expect_100_continue
        if not plain or not parser.should_keep_alive():
            return None
        if self.root_path or self.flow.write_paused or not self.is_idle:
            return None
        taker: Taker | None = self.app.taker(self.url, self.server)
        return taker

    def _take(self, taker: Taker) -> None:
        body = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        self._taker, self._pieces = None, []
        self._whole = WholeRequest(self, self.headers, body)
        taker(self._whole)

    def _open_cycle(self) -> None:
        """Begin a request as uvicorn does, with all that has come of it."""
        url, headers, expects, self._taker = self.url, self.headers, self.expect_100_continue, None
        super().on_message_begin()
        self.url, self.expect_100_continue = url, expects
        self.headers += headers
        super().on_headers_complete()
        self.cycle.transport = self._answering
        # An answer that comes before the end of the body says that the connection closes.
        self._keep_alive, self.cycle.keep_alive = self.cycle.keep_alive, False
        pieces, self._pieces = self._pieces, []
        for piece in pieces:
            super().on_body(piece)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        if self._whole is None:
            # The rest of the data may hold the whole body.
            self._unstarted = cycle, app
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((cycle, app))
