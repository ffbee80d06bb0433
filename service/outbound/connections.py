"""The connections to Telnyx of one worker: kept, and found without looking at all of them."""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import cast

import httpx

KEEP = 5.0
"""Seconds for which an unused connection is kept, as httpx does."""


class KeptConnections(httpx.AsyncBaseTransport):
    """Sends each request over the connection that was free last, at most `most` at once.

    httpx's own pool looks at every connection at every request, and asks the system about each idle one. With more than
    `max_keepalive_connections` in all it closes each connection after its request, so the next needs another handshake.

    `open_connection` returns a transport that is used for one request at a time.
    """

    def __init__(self, open_connection: Callable[[], httpx.AsyncBaseTransport], *, most: int) -> None:
        self._open = open_connection
        self._turns = asyncio.Semaphore(most)
        self._all: set[httpx.AsyncBaseTransport] = set()
        self._idle: deque[tuple[float, httpx.AsyncBaseTransport]] = deque()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request. Its connection is free again once the response is closed."""
        await self._close_oldest()
        await self._turns.acquire()
        connection = self._take()
        try:
            response = await connection.handle_async_request(request)
        except BaseException:
            self._give_back(connection)
            raise
        stream = cast("httpx.AsyncByteStream", response.stream)
        response.stream = _Stream(stream, lambda: self._give_back(connection))
        return response

    async def aclose(self) -> None:
        """Close all connections."""
        for connection in self._all:
            await connection.aclose()

    def _take(self) -> httpx.AsyncBaseTransport:
        if self._idle:
            return self._idle.pop()[1]
        self._all.add(connection := self._open())
        return connection

    def _give_back(self, connection: httpx.AsyncBaseTransport) -> None:
        self._idle.append((time.monotonic(), connection))
        self._turns.release()

    async def _close_oldest(self) -> None:
        """Close the connection that was unused longest, if that is too long."""
        if self._idle and self._idle[0][0] < time.monotonic() - KEEP:
            _, connection = self._idle.popleft()
            self._all.discard(connection)
            await connection.aclose()


class _Stream(httpx.AsyncByteStream):
    """The body of a response, and a callback for its end."""

    def __init__(self, stream: httpx.AsyncByteStream, ended: Callable[[], None]) -> None:
        self._stream, self._ended, self._is_open = stream, ended, True

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for part in self._stream:
            yield part

    async def aclose(self) -> None:
        if self._is_open:
            self._is_open = False
            try:
                await self._stream.aclose()
            finally:
                self._ended()
