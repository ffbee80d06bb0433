"""What a process says of itself: `/healthz` (it turns), `/readyz` (Redis takes writes) and `/metrics`."""

import asyncio
from collections.abc import Awaitable, Callable

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry
from redis.asyncio import Redis
from redis.exceptions import RedisError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from service.exposition import Exposition
from service.store.keys import Keys

PATIENCE = 1.5
_KEPT_MS = 60_000

Endpoint = Callable[[Request], Awaitable[Response]]
Check = Callable[[], Awaitable[str | None]]
"""Says in words why a process is not ready, else None."""


class Probe:
    """Asks whether Redis takes writes, once for all who want to know at the same time."""

    def __init__(self, redis: "Redis", keys: Keys) -> None:
        self._redis = redis
        self._keys = keys
        self._asking: asyncio.Task[str | None] | None = None

    async def trouble(self) -> str | None:
        """Why it takes none within 1.5 s; None where it does."""
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(trouble_writing(self._redis, self._keys))
        return await asyncio.shield(self._asking)


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


def health_routes(redis: "Redis", keys: Keys, registry: CollectorRegistry, also: Check | None = None) -> list[Route]:
    """The three routes, for an ingress or a worker's own port; `also` is asked where Redis takes writes."""
    probe = Probe(redis, keys)
    exposition = Exposition(redis, keys, registry)

    async def healthz(_: Request) -> Response:
        return JSONResponse({"status": "alive"})

    async def readyz(_: Request) -> Response:
        trouble = await probe.trouble()
        if trouble is None and also is not None:
            trouble = await also()
        if trouble is not None:
            return JSONResponse({"error": trouble}, status_code=503)
        return JSONResponse({"status": "ready"})

    async def metrics(_: Request) -> Response:
        return Response(await exposition.text(), media_type=CONTENT_TYPE_LATEST)

    return [Route("/healthz", healthz), Route("/readyz", readyz), Route("/metrics", metrics)]
