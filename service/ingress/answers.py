"""Answers: the transport that they are written to, and the way of a whole answer in one write."""

import asyncio
from functools import lru_cache
from typing import Protocol

import orjson
from starlette.types import Receive, Send
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

Answer = dict[str, str]
"""A JSON object."""
UNREAD = frozenset({401, 405, 408, 413})
"""Answers that may come before the end of the body. The connection is closed, so nobody reads the rest."""


class Connection(Protocol):
    """A connection, as its answers need it. `lingers` says that the answer has ended and the request has not."""

    transport: asyncio.Transport
    lingers: bool

    def end_after_answer(self) -> None:
        """End the connection, once the rest of its request has come or has had its time."""


class AnswerTransport(asyncio.Transport):
    """The transport as an answer sees it, which lets the rest of an unfinished request come before it closes."""

    def __init__(self, connection: Connection) -> None:
        super().__init__()
        self._connection = connection

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Write, unless the answer has ended."""
        if not self._connection.lingers:
            self._connection.transport.write(data)

    def is_closing(self) -> bool:
        """Return whether the connection closes."""
        return self._connection.transport.is_closing()

    def close(self) -> None:
        """Close the connection after the rest of the request."""
        self._connection.end_after_answer()


def write_answer(cycle: RequestResponseCycle, answer: bytes) -> bool:
    """Send a whole answer in one write. Return False and do nothing where it must go through ASGI.

    uvicorn writes head and body one after the other, and examines each header again.
    """
    if cycle.more_body or cycle.response_started or cycle.disconnected:
        return False
    if cycle.flow.write_paused or not cycle.keep_alive:
        return False
    cycle.response_started = cycle.response_complete = True
    cycle.transport.write(answer)
    cycle.message_event.set()
    cycle.on_response()
    return True


async def respond(send: Send, status: int, answer: Answer) -> None:
    """Send a JSON answer."""
    body = orjson.dumps(answer)
    headers, whole = _answer(status, body, closes=False)
    cycle = cycle_of(send)
    if status in UNREAD or cycle is None or not write_answer(cycle, whole):
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


def on_wire(status: int, answer: Answer, *, closes: bool) -> bytes:
    """Return a whole answer as its bytes on the wire. `closes` says that the connection ends with it."""
    return _answer(status, orjson.dumps(answer), closes=closes)[1]


def cycle_of(call: Receive | Send) -> RequestResponseCycle | None:
    """Return the request that a function belongs to. None behind a middleware, which has a function of its own."""
    cycle = getattr(call, "__self__", None)
    if isinstance(cycle, RequestResponseCycle) and isinstance(cycle.transport, AnswerTransport):
        return cycle
    return None


@lru_cache(maxsize=64)
def _answer(status: int, body: bytes, *, closes: bool) -> tuple[list[tuple[bytes, bytes]], bytes]:
    """Return the headers of an answer, and the whole of it as its bytes on the wire."""
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    if status == 503:
        headers.append((b"retry-after", b"1"))
    if status == 405:
        headers.append((b"allow", b"POST"))
    if closes or status in UNREAD:
        headers.append((b"connection", b"close"))
    lines = [b"%b: %b\r\n" % header for header in headers]
    return headers, b"".join([STATUS_LINE[status], *lines, b"\r\n", body])
