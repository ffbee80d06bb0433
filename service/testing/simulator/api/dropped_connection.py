"""Answers that never come, or not as JSON: the HTTP side of the scripted faults."""

import asyncio
import os
import socket
import struct
from collections.abc import Callable
from typing import Any

from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

EXTENSION = "ringback.drop_connection"
"""The ASGI extension through which the server lets the app drop the connection of a request."""

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class DroppableProtocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol, which also offers `EXTENSION` to the app."""

    def on_message_begin(self) -> None:
        """Begin a request, and add the extension to its scope."""
        super().on_message_begin()
        self.scope["extensions"] = {EXTENSION: {"drop": _dropper(self.transport)}}


class DroppedConnection(Response):
    """Resets the connection instead of answering."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI's signature
        """Drop the connection.

        Raises:
            ConnectionResetError: the server cannot drop a connection, as is the case without one.
        """
        extension = scope.get("extensions", {}).get(EXTENSION)
        if extension is None:
            raise ConnectionResetError("the simulator dropped the connection")
        extension["drop"]()
        while (await receive())["type"] != "http.disconnect":
            pass


def _dropper(transport: asyncio.Transport) -> Callable[[], None]:
    def drop() -> None:
        _reset_when_closed(transport.get_extra_info("socket"))
        transport.abort()

    return drop


def _reset_when_closed(connection: Any) -> None:
    # The event loop lends its socket without its options; a duplicate of the descriptor reaches the same connection.
    with socket.socket(fileno=os.dup(connection.fileno())) as duplicate:
        duplicate.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
