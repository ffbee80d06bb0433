"""uvicorn's HTTP protocol, which hands whole webhooks on without all that ASGI needs for a request.

A scope, a cycle, an event and a task cost more than the rest of HTTP. They come into being for every other request, and
for one whose body does not come with its head.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from service.ingress.answers import AnswerTransport
from service.ingress.whole_requests import Taker, TakesWholeRequests, WholeRequest


class WholeRequestProtocol(HttpToolsProtocol):
    """A connection. Where the application takes a request, it answers by `answer_whole`."""

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
        if not plain or not parser.should_keep_alive() or parser.should_upgrade():
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
