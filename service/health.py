"""What a process says of itself: `/healthz` (it turns), `/readyz` (Redis takes writes) and `/metrics`."""

import asyncio
from collections.abc import Awaitable, Callable

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from redis.asyncio import Redis
from redis.exceptions import RedisError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from service.store.keys import Keys

PATIENCE = 1.5
_KEPT_MS = 60_000

Endpoint = Callable[[Request], Awaitable[Response]]


async def trouble_writing(redis: "Redis", keys: Keys) -> str | None:
    """Why Redis takes no writes within 1.5 s; None where it does."""
    try:
        async with asyncio.timeout(PATIENCE):
            await redis.set(keys.readyz, b"1", px=_KEPT_MS)
    except TimeoutError:
        return "Redis does not answer"
    except (RedisError, OSError) as error:
        return f"Redis takes no writes ({type(error).__name__})"
    return None


def health_routes(redis: "Redis", keys: Keys, registry: CollectorRegistry) -> list[Route]:
    """The three routes, for an ingress or a worker's own port."""

    async def healthz(_: Request) -> Response:
        return JSONResponse({"status": "alive"})

    async def readyz(_: Request) -> Response:
        trouble = await trouble_writing(redis, keys)
        if trouble is not None:
            return JSONResponse({"error": trouble}, status_code=503)
        return JSONResponse({"status": "ready"})

    async def metrics(_: Request) -> Response:
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    return [Route("/healthz", healthz), Route("/readyz", readyz), Route("/metrics", metrics)]
