"""The HTTP protocol of every port of ours: uvicorn's, with bounds on memory, time and descriptors.

Neither httptools nor uvicorn bounds the head of a request or the data after a chunked body. Neither ends a connection
whose client neither asks nor reads.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Literal
from weakref import WeakKeyDictionary

import httptools
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle
from uvicorn.server import ServerState

from service.ingress.connection_limit import ConnectionLimit, Waiting
from service.ingress.refusal_log import RefusalLog, peer_of
from service.ingress.upgrade_offers import head_without_offer, new_parser
from service.ingress.whole_requests import WholeRequestProtocol

MAX_HEADERS = 100
MAX_HEAD_BYTES = 65_536
MAX_URL_BYTES = 8192
HEAD_SECONDS = 5.0
"""From the connection to the first byte, and from the first byte to the end of the head."""
WRITE_SECONDS = 5.0
"""How long a client may leave an answer unread before the connection is aborted."""
LINGER_SECONDS = 1.0
"""Time for the rest of a request after its answer: closing at once would reset the answer away."""
MAX_PIPELINED = 8
"""Requests that may wait behind the one that is being answered."""

_TOO_LARGE = "the head of the request is too large"
_REFUSALS: WeakKeyDictionary[ServerState, RefusalLog] = WeakKeyDictionary()


class HeadTooLarge(Exception):
    """The head of a request has too many headers or bytes."""


class TooManyPipelined(Exception):
    """Too many requests wait behind one that is not answered yet."""


class BoundedHttpProtocol(WholeRequestProtocol):
    """Closes a connection that sends too much, takes too long, or does not read."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._limit = ConnectionLimit.of(self.server_state)
        self._refusals = _REFUSALS.setdefault(self.server_state, RefusalLog())
        self._in_head = False
        self._head_bytes = 0
        self._stalled_bytes = 0
        self._awaits_first_byte = True
        self._plain_head = b""
        """The head of a request that offers to upgrade, without the offer, until it is parsed."""
        self._refusal, self._reason = 400, "not an HTTP request"
        self._head_timer: asyncio.TimerHandle | None = None
        self._abort_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start to wait for the first byte."""
        super().connection_made(transport)
        self._expect_head()
        self._limit.admit(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop all timers."""
        self._limit.forget(self)
        self._stop_head_timer()
        self._unset_keepalive_if_required()
        if self._abort_timer is not None:
            self._abort_timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse some bytes, and bound those that bring no request and no body forward."""
        if self._awaits_first_byte:
            self._awaits_first_byte = False
            self._stop_head_timer()
        self._stalled_bytes += len(data)
        if self.lingers:
            if self._stalled_bytes > MAX_HEAD_BYTES:
                self.close()
            return
        self._unset_keepalive_if_required()
        try:
            try:
                self.parser.feed_data(data)
            except httptools.HttpParserUpgrade as offer:
                self._feed_without_offer(data[offer.args[0] :])
        except httptools.HttpParserError:
            self.send_400_response(self._reason)
            return
        self.start()
        if self._stalled_bytes > MAX_HEAD_BYTES:
            self._refusal = 431
            self.send_400_response(_TOO_LARGE)
        if self._in_head or self.is_idle:
            # Any data, even a blank line between two requests, has ended uvicorn's keep-alive timer.
            self._expect_head()

    def on_message_begin(self) -> None:
        """Begin a request.

        Raises:
            TooManyPipelined: enough requests wait already.
        """
        if len(self.pipeline) >= MAX_PIPELINED:
            self._reason = "too many requests wait for their answers"
            raise TooManyPipelined
        if not self.pipeline:
            # Those that wait share the room of one head.
            self._head_bytes = 0
        self._in_head, self._stalled_bytes = True, 0
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """Take a part of the URL."""
        self._head_bytes += len(url)
        super().on_url(url)
        if self._head_bytes > MAX_HEAD_BYTES or len(self.url) > MAX_URL_BYTES:
            # To decode its percent signs would cost many times what an event does.
            self._refuse_head()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header of the head. One of a trailer proves nothing, and is passed over."""
        if not self._in_head:
            return
        headers, size = self.headers, self._head_bytes + len(name) + len(value)
        self._head_bytes = size
        if size > MAX_HEAD_BYTES or len(headers) >= MAX_HEADERS:
            self._refuse_head()
        # As uvicorn does, without a call of its method for each header.
        lowered = name.lower()
        if lowered == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True
        # Blanks behind a value do not belong to it (RFC 9110, 5.5). llhttp takes off those before it.
        headers.append((lowered, value.rstrip(b" \t")))

    def on_headers_complete(self) -> None:
        """Answer the request. One that offers to upgrade comes again without its offer."""
        if self.parser.should_upgrade():
            self._plain_head = head_without_offer(self.parser, self.url, self.headers)
            return
        self._in_head, self._stalled_bytes = False, 0
        self._stop_head_timer()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take a part of the body."""
        self._stalled_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """End the request's body."""
        if self._plain_head:
            return
        super().on_message_complete()
        if not self.is_idle:
            self._limit.note(self, Waiting.FOR_US)

    def on_response_complete(self) -> None:
        """Wait for the next request."""
        super().on_response_complete()
        if self.lingers:
            self._unset_keepalive_if_required()
        if self.is_idle:
            self._limit.note(self, Waiting.FOR_CLIENT)
        self._abort_if_unread()

    def pause_writing(self) -> None:
        """Give the client so long to read."""
        super().pause_writing()
        self._limit.note(self, Waiting.FOR_CLIENT)
        self._abort_timer = self._abort_timer or self.loop.call_later(WRITE_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        """Go on writing."""
        if self._abort_timer is not None and not self.transport.is_closing():
            self._abort_timer.cancel()
            self._abort_timer = None
        self._limit.note(self, Waiting.FOR_CLIENT if self.is_idle else Waiting.FOR_US)
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no request (400), or one whose head is too large (431)."""
        self._refusals.note(self._refusal, msg, peer_of(self.client))
        if self._is_body_broken():
            # The application finds the client gone, so that this is the only answer.
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        elif not self.is_idle:
            # An answer now would be taken for that of the request before.
            self.abandon()
            self.transport.abort()
            return
        if not self.transport.is_closing():
            answer = b'{"error":"%b"}' % msg.encode()
            head = b"content-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % len(answer)
            self.transport.write(STATUS_LINE[self._refusal] + head + answer)
            self.close()

    def timeout_keep_alive_handler(self) -> None:
        """End a connection that has been idle for long enough."""
        self.close()

    def shutdown(self) -> None:
        """End the connection after the answer that is being made."""
        super().shutdown()
        self._abort_if_unread()

    def close(self) -> None:
        """End the connection. Drop data that the client does not read within 5 s."""
        self._stop_head_timer()
        if not self.transport.is_closing():
            self.transport.close()
        self._abort_if_unread()

    def end_after_answer(self) -> None:
        """End the connection, once the rest of its request has come or has had its time."""
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is not None and cycle.more_body and not self.lingers and not self.transport.is_closing():
            # The rest of the request is read and dropped: an answer must not be reset away (RFC 9112, 9.6).
            self.lingers, self._stalled_bytes = True, 0
            # A client that is gone resets its connection. The loop then closes it.
            with suppress(OSError):
                self.transport.write_eof()
            self._head_timer = self._head_timer or self.loop.call_later(LINGER_SECONDS, self.close)
        else:
            self.close()

    def evict(self) -> None:
        """End the connection at once, in favour of a newer one."""
        self._stop_head_timer()
        self.transport.abort()

    def _feed_without_offer(self, rest: bytes) -> None:
        data, self._plain_head = self._plain_head + rest, b""
        self.parser = new_parser(self)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as offer:
            # The next request may make an offer too. MAX_PIPELINED bounds how many do.
            self._feed_without_offer(data[offer.args[0] :])

    def _is_body_broken(self) -> bool:
        """Return whether the one request that has no answer is that whose body is being read."""
        cycle: RequestResponseCycle | None = self.cycle
        waits = cycle is not None and cycle.more_body and not cycle.response_started
        return waits and self._whole is None and not self.pipeline

    def _refuse_head(self) -> None:
        self._refusal, self._reason = 431, _TOO_LARGE
        raise HeadTooLarge

    def _expect_head(self) -> None:
        if self._head_timer is None and not self.transport.is_closing():
            self._head_timer = self.loop.call_later(HEAD_SECONDS, self.close)

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _abort_if_unread(self) -> None:
        # A closing transport waits for its client to read, however long that takes.
        if self.transport.is_closing() and self._abort_timer is None:
            self._abort_timer = self.loop.call_later(WRITE_SECONDS, self.transport.abort)


def bounded_config(
    app: ASGIApp | Callable[[], ASGIApp],
    *,
    keep_alive: float,
    factory: bool = False,
    workers: int = 1,
    lifespan: Literal["on", "off"] = "off",
    grace: float | None = None,
) -> uvicorn.Config:
    """Return how uvicorn serves any port of ours. `keep_alive` and `grace` are seconds."""
    return uvicorn.Config(
        app,
        factory=factory,
        workers=workers,
        http=BoundedHttpProtocol,
        ws="none",
        lifespan=lifespan,
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=False,
        timeout_keep_alive=max(1, round(keep_alive)),
        timeout_graceful_shutdown=None if grace is None else max(1, int(grace)),
    )
