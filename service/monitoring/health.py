"""The probes of a process: `/healthz` (it turns), `/readyz` (its work can be done on Redis) and `/metrics`."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry
from redis.exceptions import RedisError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from service.monitoring.metrics_endpoint import Exposition
from service.store.connection import address_of
from service.store.permissions import Needs
from service.store.server_checks import trouble_working
from service.store.store import Store

TIMEOUT = 1.5

Endpoint = Callable[[Request], Awaitable[Response]]
Check = Callable[[], Awaitable[str | None]]
"""Says in words why a process is not ready, else None."""


class HealthProbe:
    """Asks whether the work can be done, once for all who want to know at the same time.

    It asks on the connections of the work itself: one of its own might reach a server that the work does not.
    """

    def __init__(self, store: Store, needs: Needs) -> None:
        self._store = store
        self._needs = needs
        self._asking: asyncio.Task[str | None] | None = None

    async def trouble(self) -> str | None:
        """Return in words why it cannot within 1.5 s; None where it can."""
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask())
        # Several probes share one check: one that goes away must not cancel it for the others.
        return await asyncio.shield(self._asking)

    async def _ask(self) -> str | None:
        try:
            async with asyncio.timeout(TIMEOUT):
                return await trouble_working(self._store, self._needs)
        except TimeoutError:
            return f"Redis at {address_of(self._store.redis)} does not answer within {TIMEOUT:g} s"


def health_routes(
    probe: HealthProbe,
    store: Store,
    registry: CollectorRegistry,
    *,
    also: Check | None = None,
    warns: Check | None = None,
) -> list[Route]:
    """The three routes, for an ingress or a worker's own port; `also` is asked where the probe finds no trouble.

    `warns` adds warnings, and does not affect readiness. `store` is for the metrics.
    """
    exposition = Exposition(store, registry)

    async def healthz(_: Request) -> Response:
        return JSONResponse({"status": "alive"})

    async def readyz(_: Request) -> Response:
        trouble = await probe.trouble()
        if trouble is None and also is not None:
            trouble = await also()
        if trouble is not None:
            return JSONResponse({"error": trouble}, status_code=503)
        warning = await _warning(warns)
        return JSONResponse({"status": "ready"} if warning is None else {"status": "ready", "warning": warning})

    async def metrics(_: Request) -> Response:
        return Response(await exposition.text(), media_type=CONTENT_TYPE_LATEST)

    return [Route("/healthz", healthz), Route("/readyz", readyz), Route("/metrics", metrics)]


async def _warning(warns: Check | None) -> str | None:
    """Return what there is to know of beside the readiness; None too where Redis does not tell in time."""
    with suppress(TimeoutError, RedisError, OSError):
        async with asyncio.timeout(TIMEOUT):
            return await warns() if warns is not None else None
    return None
