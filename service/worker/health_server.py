"""A worker's own HTTP port, for `/healthz`, `/readyz` and `/metrics`."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import partial

import structlog
import uvicorn
from prometheus_client import CollectorRegistry
from redis.asyncio import Redis
from starlette.applications import Starlette

from service.ingress.http_protocol import bounded_config
from service.monitoring.health import HealthProbe, health_routes
from service.processes.sockets import listen
from service.settings import Settings
from service.store.keys import Keys
from service.store.permissions import worker_needs
from service.worker.readiness import trouble_with_account

log = structlog.get_logger(__name__)


class _HealthServer(uvicorn.Server):
    """uvicorn inside a loop that is another's: the signals stay with that one."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


@asynccontextmanager
async def serving_health(
    settings: Settings, working: "Redis", redis: "Redis", keys: Keys, registry: CollectorRegistry
) -> AsyncIterator[None]:
    """Serve on `RINGBACK_ADMIN_PORT` of `RINGBACK_ADMIN_HOST`, where it is set, until the block ends.

    `working` is the client of the work, on which readiness is proven; `redis` is for everything else.

    Raises:
        service.processes.sockets.CannotListen: the address is taken or not ours.
    """
    if settings.admin_port is None:
        yield
        return
    with listen(settings.admin_host, settings.admin_port, "RINGBACK_ADMIN_PORT") as listener:
        probe = HealthProbe(working, keys, worker_needs())
        account = partial(trouble_with_account, redis, keys)
        app = Starlette(routes=health_routes(probe, redis, keys, registry, also=account))
        server = _HealthServer(bounded_config(app, keep_alive=settings.keep_alive))
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        log.info("worker's health on", host=settings.admin_host, port=listener.getsockname()[1])
        try:
            yield
        finally:
            server.should_exit = True
            await serving
