"""Requests to Telnyx: each leaves once, over a kept connection, and its answer is read whole."""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import httpx
import structlog
from prometheus_client import CollectorRegistry, Counter
from redis.exceptions import RedisError

from service import clock
from service.events.consent import ConsentChange
from service.monitoring.counters import Labels
from service.outbound.api_call import Call
from service.outbound.effect_rules import Result
from service.outbound.errors import STOP, TelnyxResponse, codes
from service.store.facts.consent import record_consent
from service.store.store import Store

log = structlog.get_logger(__name__)

NO_ANSWER = (httpx.RequestError, OSError)
"""Errors in place of an answer. Beside httpx's own, only errors of the socket and of TLS."""
KEEP = 5.0
"""Seconds for which an unused connection is kept, as httpx does."""


def _labels() -> Labels:
    return Labels(r"[A-Z]+ /[a-z0-9_]{1,40}", most=50)


_OPERATIONS = _labels()


@dataclass
class EffectMetrics:
    """Effects by operation and result."""

    registry: CollectorRegistry = field(default_factory=CollectorRegistry)

    def __post_init__(self) -> None:
        self._operations = _labels()
        self._effects = Counter(
            "ringback_effects",
            "Calls that change something at Telnyx, by operation and result.",
            ["operation", "result"],
            registry=self.registry,
        )

    def ended(self, call: Call, result: Result, *, again: bool = False) -> None:
        """Count the result of a call, or of one of its requests. `again` says that it repeated an earlier one."""
        del again
        self._effects.labels(self._operations.of(_operation(call.method, call.path)), result).inc()


@dataclass
class EffectRequest:
    """One request: the call, and its `Idempotency-Key` if it has one.

    `left` says whether a byte of it has left, `error` names the error in place of an answer.
    """

    call: Call
    key: str | None
    left: bool = False
    error: str = ""


@dataclass(frozen=True)
class Sender:
    """The way of requests to Telnyx through a transport of httpx."""

    transport: httpx.AsyncBaseTransport
    base_path: str
    store: Store

    async def read(self, request: httpx.Request) -> TelnyxResponse:
        """Return the answer to a request, read to its end: one that breaks off is none."""
        response = await self.transport.handle_async_request(request)
        try:
            body = await response.aread()
        finally:
            await response.aclose()
        headers = {name.lower(): value for name, value in response.headers.items()}
        return TelnyxResponse(response.status_code, headers, body)

    async def send(self, original: httpx.Request, wanted: EffectRequest) -> TelnyxResponse | None:
        """Send once, and note how far that got, or None where no answer came.

        `original` gives the address and the credentials, `wanted` the bytes and the key.
        """

        async def trace(event: str, _: Mapping[str, Any]) -> None:
            if event.endswith("send_request_headers.started"):
                wanted.left = True

        headers = original.headers.copy()
        for name in ("idempotency-key", "content-length", "transfer-encoding"):
            headers.pop(name, None)
        if wanted.call.content_type:
            headers["content-type"] = wanted.call.content_type
        if wanted.key is not None:
            headers["idempotency-key"] = wanted.key
        extensions = {**original.extensions, "trace": trace}
        try:
            answer = await self.read(
                httpx.Request(
                    original.method, original.url, headers=headers, content=wanted.call.body, extensions=extensions
                )
            )
        except httpx.LocalProtocolError:
            # httpx refuses the request before a byte of it leaves.
            wanted.left = False
            raise
        except NO_ANSWER as error:
            wanted.error = type(error).__name__
            return None
        await self._record_opt_out(wanted.call, answer)
        return answer

    async def get(self, original: httpx.Request, path: str) -> TelnyxResponse | None:
        """Read a path with the credentials of a request, or None where no answer came."""
        url = original.url.copy_with(raw_path=(self.base_path + path).encode())
        headers = {"authorization": original.headers.get("authorization", ""), "host": original.headers["host"]}
        try:
            return await self.read(httpx.Request("GET", url, headers=headers, extensions=original.extensions))
        except NO_ANSWER:
            return None

    async def _record_opt_out(self, call: Call, answer: TelnyxResponse) -> None:
        """Record a 40300, the recipient's own STOP, even where the handler catches the error."""
        if answer.status < 400 or call.recipient is None or "," in call.recipient or STOP not in codes(answer.body):
            return
        stop = ConsentChange(call.recipient, "out", None, "40300")
        try:
            await record_consent(self.store, [stop], now=clock.now())
        except (RedisError, OSError) as trouble:
            log.warning("an opt-out was not recorded, but is in Telnyx's own list", error=type(trouble).__name__)


def operation_of(method: str, path: str) -> str:
    """Return the name of an operation, such as `POST /messages`, for spans."""
    return _OPERATIONS.of(_operation(method, path))


def _operation(method: str, path: str) -> str:
    # Further segments name things. A method and a resource are few.
    return f"{method} /{path.lstrip('/').partition('?')[0].partition('/')[0]}"


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
