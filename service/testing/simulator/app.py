"""The HTTP face: the API under `/v2`, the controls under `/_simulator`."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from service.testing.simulator import control
from service.testing.simulator.account import Account
from service.testing.simulator.api import gateway
from service.testing.simulator.api.api_error import not_found
from service.testing.simulator.api.call import Answer, OperationCall
from service.testing.simulator.api.dropped_connection import DroppedConnection
from service.testing.simulator.api.faults import Fault
from service.testing.simulator.api.operations import OPERATIONS, Operation
from service.testing.simulator.simulator import Simulator

PREFIX = "/v2"

_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]
_GARBLED = b'{"data": <html><body>Bad Gateway'

Endpoint = Callable[[Request], Awaitable[Response]]


def create_app(simulator: Simulator) -> Starlette:
    """The simulator as an ASGI app; the SDK's `base_url` is its address with `/v2`.

    Webhooks are delivered while the app's lifespan lasts.
    """
    operations = [
        Route(PREFIX + operation.path, _endpoint(simulator, operation), methods=[operation.method])
        for operation in OPERATIONS
    ]
    elsewhere = Route(PREFIX + "/{path:path}", _endpoint(simulator, _ELSEWHERE), methods=_METHODS)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with simulator.running():
            yield

    return Starlette(routes=[*control.routes(simulator), *operations, elsewhere], lifespan=lifespan)


def _unknown(_: Account, __: OperationCall) -> Answer:
    raise not_found()


_ELSEWHERE = Operation("*", "*", _unknown)


def _endpoint(simulator: Simulator, operation: Operation) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        call = await _call(request)
        outcome = await gateway.handle(simulator, operation, call, request.headers.get("authorization"))
        return _response(outcome)

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


def _response(outcome: gateway.CallOutcome) -> Response:
    answer, fault = outcome.answer, outcome.fault
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
