"""Answers in one write, where our own server hands a request to its application with nothing in between.

uvicorn writes the head and the body of an answer one after the other, and examines each header again.
"""

import asyncio
from typing import TYPE_CHECKING

from starlette.types import Receive, Send
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

if TYPE_CHECKING:
    from service.ingress.http_protocol import BoundedHttpProtocol

Headers = list[tuple[bytes, bytes]]


class AnswerTransport(asyncio.Transport):
    """The transport as an answer sees it, which lets the rest of an unfinished request come before it closes."""

    def __init__(self, protocol: "BoundedHttpProtocol") -> None:
        super().__init__()
        self._protocol = protocol

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Write, unless the answer has ended."""
        if not self._protocol.lingers:
            self._protocol.transport.write(data)

    def is_closing(self) -> bool:
        """Return whether the connection closes."""
        return self._protocol.transport.is_closing()

    def close(self) -> None:
        """Close the connection after the rest of the request."""
        self._protocol.end_after_answer()


def is_complete(receive: Receive) -> bool:
    """Return whether the whole body is here, so that `receive` does not wait for the client."""
    cycle = _cycle_of(receive)
    return cycle is not None and not cycle.more_body


def wire_format(status: int, headers: Headers, body: bytes) -> bytes:
    """Return an answer as its bytes on the wire."""
    lines = [b"%b: %b\r\n" % header for header in headers]
    return b"".join([STATUS_LINE[status], *lines, b"\r\n", body])


def answer_directly(send: Send, answer: bytes) -> bool:
    """Send a whole answer. Return False and do nothing where it must go through `send`."""
    cycle = _cycle_of(send)
    if cycle is None or cycle.more_body or cycle.response_started or cycle.disconnected:
        return False
    if cycle.flow.write_paused or not cycle.keep_alive:
        return False
    cycle.response_started = cycle.response_complete = True
    cycle.transport.write(answer)
    cycle.message_event.set()
    cycle.on_response()
    return True


def _cycle_of(call: Receive | Send) -> RequestResponseCycle | None:
    """Return the request that a function belongs to. None behind a middleware, which has a function of its own."""
    cycle = getattr(call, "__self__", None)
    if isinstance(cycle, RequestResponseCycle) and isinstance(cycle.transport, AnswerTransport):
        return cycle
    return None
