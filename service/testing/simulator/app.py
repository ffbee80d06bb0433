"""The HTTP face: the API under `/v2`, the controls under `/_simulator`, and connections that a fault drops."""

import asyncio
import os
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import orjson
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from service.testing.simulator import control
from service.testing.simulator.account import Account
from service.testing.simulator.api import gateway
from service.testing.simulator.api.api_error import not_found
from service.testing.simulator.api.call import Answer, OperationCall
from service.testing.simulator.api.faults import Fault
from service.testing.simulator.api.operations import OPERATIONS, Operation, absent_operations
from service.testing.simulator.simulator import Simulator

PREFIX = "/v2"
EXTENSION = "ringback.drop_connection"
"""The ASGI extension through which the server lets the app drop the connection of a request."""

_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)
_GARBLED = b'{"data": <html><body>Bad Gateway'

Endpoint = Callable[[Request], Awaitable[Response]]


def create_app(simulator: Simulator) -> Starlette:
    """Return the simulator as an ASGI app. The SDK's `base_url` is its address with `/v2`.

    Webhooks are delivered while the app's lifespan lasts.
    """
    operations = [
        Route(PREFIX + path, _endpoint(simulator, operation), methods=[operation.method])
        for operation in OPERATIONS
        for path in operation.paths
    ]
    absent = [
        Route(PREFIX + each.path, _endpoint(simulator, each), methods=[each.method]) for each in absent_operations()
    ]
    elsewhere = Route(PREFIX + "/{path:path}", _endpoint(simulator, Operation("*", "*", _unknown)), methods=_METHODS)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with simulator.running():
            yield

    return Starlette(routes=[*control.routes(simulator), *operations, *absent, elsewhere], lifespan=lifespan)


def _unknown(_: Account, __: OperationCall) -> Answer:
    raise not_found()


def _endpoint(simulator: Simulator, operation: Operation) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        try:
            call = await _call(request)
        except ClientDisconnect:
            # A request that broke off has no effect, and nobody to answer.
            return DroppedConnection()
        return _response(*await gateway.handle(simulator, operation, call, request.headers.get("authorization")))

    return endpoint


async def _call(request: Request) -> OperationCall:
    return OperationCall(
        method=request.method,
        path=request.url.path.removeprefix(PREFIX),
        content=await request.body(),
        content_type=request.headers.get("content-type", ""),
        query=dict(request.query_params),
        parameters={name: str(value) for name, value in request.path_params.items()},
        idempotency_key=request.headers.get("idempotency-key"),
    )


def _response(answer: Answer | None, fault: Fault | None) -> Response:
    if answer is None:
        return DroppedConnection()
    content = b"" if answer.body is None else orjson.dumps(answer.body)
    if fault is not None and fault.kind == "garbled":
        content = _GARBLED
    if fault is not None and fault.kind == "slow_body":
        return _slow_response(answer, content, fault)
    return Response(content, answer.status, dict(answer.headers), "application/json")


def _slow_response(answer: Answer, content: bytes, fault: Fault) -> Response:
    async def pieces() -> AsyncIterator[bytes]:
        half = len(content) // 2
        yield content[:half]
        await asyncio.sleep(fault.seconds)
        yield content[half:]

    return StreamingResponse(pieces(), answer.status, dict(answer.headers), "application/json")


class DroppableProtocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol, which also offers `EXTENSION` to the app."""

    def on_message_begin(self) -> None:
        """Begin a request, and add the extension to its scope."""
        super().on_message_begin()
        self.scope["extensions"] = {EXTENSION: {"drop": self._drop}}

    def _drop(self) -> None:
        if self.transport.is_closing():
            return
        connection = self.transport.get_extra_info("socket")
        # The event loop lends its socket without its options. A duplicate of the descriptor sets them.
        with socket.socket(fileno=os.dup(connection.fileno())) as duplicate:
            duplicate.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self.transport.abort()


class DroppedConnection(Response):
    """A response that resets the connection."""

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
