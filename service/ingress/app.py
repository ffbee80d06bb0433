"""The ingress: the HTTP face that Telnyx delivers to. It knows no handlers, no Telnyx SDK and no arq worker."""

import asyncio
import multiprocessing
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from socket import socket
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import structlog
import uvicorn
from redis.asyncio import Redis
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.supervisors import Multiprocess

from service.ingress.clock_watch import ClockWatch
from service.ingress.http_protocol import bounded_config
from service.ingress.local_requests import is_local
from service.ingress.metrics import IngressMetrics, ProcessSlot
from service.ingress.refusal_log import RefusalLog
from service.ingress.webhook_endpoint import Reception
from service.ingress.whole_requests import Taker, WebhookApplication
from service.ingress.wrong_address import WrongAddress
from service.monitoring.health import Endpoint, HealthProbe, health_routes
from service.monitoring.logs import announce_dry_run, configure_logs
from service.monitoring.traces.switch import open_tracing
from service.processes.disk_space import describe_failed_write
from service.processes.garbage_collection import collect_rarely
from service.processes.loopback import is_loopback
from service.processes.parent_death import end_with_parent
from service.processes.signals import end_quietly_on_signals, ignore_signals
from service.processes.sockets import listen
from service.settings import InvalidSettings, Settings, load_for_ingress
from service.store.connection import connect, locate
from service.store.inbox.group_commit import GroupCommit
from service.store.inbox.workers import trouble_with_workers
from service.store.permissions import ingress_needs
from service.store.server_checks import require_usable_at, trouble_with_encryption
from service.store.store import Store

if TYPE_CHECKING:
    from service.monitoring.traces.tracing import Tracing

Lifespan = Callable[[Starlette], AbstractAsyncContextManager[None]]

log = structlog.get_logger(__name__)

TIMEOUT = 1.5
"""Seconds that Redis may take: Telnyx waits 2 s (knowledge base, receiving webhooks)."""


def create_app(settings: Settings | None = None, *, counts: Path | None = None) -> WebhookApplication:
    """Return the ingress as an ASGI application, to be served alone or mounted in another.

    `counts` is a folder for the counts, where several processes serve one port and answer /metrics as one.

    Raises:
        service.settings.InvalidSettings: a variable does not fit, or is missing.
        service.processes.data_folder.NotRunning: `REDIS_URL` is unset and no embedded server answers.
    """
    settings = settings or load_for_ingress()
    settings.require_public_keys()
    url = locate(settings)
    accepting, probing = [connect(url, timeout=TIMEOUT, connections=4) for _ in range(2)]
    store, probed = Store.of(accepting, settings), Store.of(probing, settings)
    tracing = open_tracing("ingress")
    metrics = IngressMetrics(ProcessSlot(counts) if counts else None)
    refusals, wrong_address = RefusalLog(), WrongAddress(metrics)
    reception = _reception(settings, store, (metrics, refusals, wrong_address), tracing)
    probe = HealthProbe(store, ingress_needs())
    health = health_routes(probe, probed, metrics.registry, warns=partial(_warnings, probed, reception.clock_watch))
    receptions = {
        **_with_or_without_slash("/webhooks", reception),
        **_with_or_without_slash("/webhooks/failover", replace(reception, arrived_by="failover")),
    }
    app = WebhookApplication(
        receptions,
        routes=[*(Route(path, each, methods=None) for path, each in receptions.items()), *_public(health, settings)],
        exception_handlers={404: wrong_address.no_such_path, 405: wrong_address.no_such_method},
        lifespan=_lifespan(reception, probe, tracing, accepting, probing),
    )
    app.router.redirect_slashes = False
    app.state.admin = Starlette(routes=health)
    return app


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT. Requests in flight are answered first.

    Raises:
        service.processes.sockets.CannotListen: the address is not free.
        service.settings.InvalidSettings: no key, no temporary folder, or one port for two purposes.
    """
    settings.require_public_keys()
    require_usable_at(locate(settings))
    sockets = [listen(settings.host, settings.port, "RINGBACK_PORT")]
    if settings.admin_port is not None:
        sockets.append(listen(settings.admin_host, settings.admin_port, "RINGBACK_ADMIN_PORT"))
    public, *admin = ports = [each.getsockname()[1] for each in sockets]
    if public in admin:
        raise InvalidSettings(
            f"RINGBACK_ADMIN_PORT and RINGBACK_PORT are both {public}: choose another for one of them"
        )
    end_quietly_on_signals()
    log.info("ingress listening", host=settings.host, ports=ports)
    if not admin and not is_loopback(settings.host):
        log.warning("/readyz and /metrics are not served beyond loopback: set RINGBACK_ADMIN_PORT to have them")
    with _counts(settings) as counts:
        _run(settings, sockets, partial(served_app, admin[0] if admin else None, counts))


def _run(settings: Settings, sockets: list[socket], app: Callable[[], ASGIApp]) -> None:
    config = bounded_config(
        app,
        factory=True,
        workers=settings.ingress_processes,
        lifespan="on",
        keep_alive=settings.keep_alive,
        grace=settings.grace,
    )
    server = uvicorn.Server(config)
    if settings.ingress_processes > 1:
        Multiprocess(config, sockets=sockets).run()
    else:
        server.run(sockets=sockets)
    ignore_signals()


def served_app(admin_port: int | None = None, counts: Path | None = None) -> ASGIApp:
    """Return the application of one process: the ingress and, on its admin port, its health.

    `admin_port` is the port that was bound for it. `counts` is the folder of a process that is one of several.
    """
    settings = load_for_ingress()
    configure_logs()
    announce_dry_run(settings)
    if (parent := multiprocessing.parent_process()) is not None and parent.pid is not None:
        # Left behind, it would go on holding the port, and the next ingress could not listen.
        end_with_parent(parent.pid)
    app = create_app(settings, counts=counts)
    collect_rarely()
    return app if admin_port is None else _ByPort(app, admin_port)


class _ByPort:
    """The public application, and on the admin port the other one."""

    def __init__(self, app: WebhookApplication, admin_port: int) -> None:
        self._app = app
        self._admin_port = admin_port

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        chosen = self._app.state.admin if self._is_admin(scope.get("server")) else self._app
        await chosen(scope, receive, send)

    def taker(self, url: bytes, server: tuple[str, int | None] | None) -> Taker | None:
        """Return the function that takes a webhook whose whole body is here."""
        return None if self._is_admin(server) else self._app.taker(url, server)

    def _is_admin(self, server: tuple[str, int | None] | None) -> bool:
        return server is not None and server[1] == self._admin_port


@contextmanager
def _counts(settings: Settings) -> Iterator[Path | None]:
    """Yield a private folder for the counts of several processes, or None for a process alone."""
    if settings.ingress_processes == 1:
        yield None
        return
    try:
        folder = TemporaryDirectory(prefix="ringback-counts-", ignore_cleanup_errors=True)
    except OSError as error:
        needs = f"RINGBACK_INGRESS_PROCESSES={settings.ingress_processes} needs a temporary folder to count in"
        why = describe_failed_write(error, "set TMPDIR to a folder that can be written to")
        raise InvalidSettings(f"{needs}: {why}") from None
    with folder as path:
        yield Path(path)


def _public(health: list[Route], settings: Settings) -> list[Route]:
    if settings.admin_port is None and is_loopback(settings.host):
        return [each if each.path == "/healthz" else Route(each.path, _if_local(each.endpoint)) for each in health]
    return [route for route in health if route.path == "/healthz"]


def _if_local(endpoint: Endpoint) -> Endpoint:
    """Answer 404 to others. A mounted application's server has other addresses than our settings.

    A proxy or a tunnel reaches us on loopback, and passes on requests of anybody.
    """

    async def answer(request: Request) -> Response:
        if not is_local(request):
            raise HTTPException(404)
        return await endpoint(request)

    return answer


async def _warnings(store: Store, clock_watch: ClockWatch) -> str | None:
    """Return what hinders processing or verification, or None. It takes no ingress out of a load balancer."""
    found = (clock_watch.warning(), await trouble_with_encryption(store), await trouble_with_workers(store))
    return "; ".join(filter(None, found)) or None


def _reception(
    settings: Settings,
    store: Store,
    notes: tuple[IngressMetrics, RefusalLog, WrongAddress],
    tracing: "Tracing | None",
) -> Reception:
    if tracing is None:
        return Reception(settings, GroupCommit(store, timeout=TIMEOUT), *notes)
    from service.ingress.traced_reception import (  # noqa: PLC0415 - only where traces are on
        TracedGroupCommit,
        TracedReception,
    )

    inbox = TracedGroupCommit(store, timeout=TIMEOUT, tracing=tracing)
    return TracedReception(settings, inbox, *notes, tracing=tracing)


def _lifespan(reception: Reception, probe: HealthProbe, tracing: "Tracing | None", *clients: "Redis") -> Lifespan:
    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        # Beside the start, which does not wait for Redis: the log names trouble before Telnyx finds it.
        telling = asyncio.create_task(_tell_trouble(probe))
        async with reception.metrics.shared():
            yield
        await telling
        reception.refusals.close()
        await reception.inbox.close()
        for client in clients:
            await client.aclose()
        if tracing is not None:
            await tracing.close()

    return lifespan


def _with_or_without_slash(path: str, endpoint: Reception) -> dict[str, Reception]:
    """Return both spellings of a path: Telnyx follows no redirect, and counts one as a failure."""
    return {path: endpoint, f"{path}/": endpoint}


async def _tell_trouble(probe: HealthProbe) -> None:
    if trouble := await probe.trouble():
        log.error("not ready", reason=trouble)
