"""Blocks for which work is parked: in a worker's `/readyz`, in its metrics, and as a notification."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial

import structlog
import uvicorn
from prometheus_client import CollectorRegistry, Gauge
from redis.exceptions import RedisError
from starlette.applications import Starlette

from service.ingress.http_protocol import bounded_config
from service.monitoring.health import TIMEOUT, HealthProbe, health_routes
from service.monitoring.notifications import notify
from service.outbound.gate import ADVICE
from service.processes.sockets import listen
from service.settings import Settings
from service.store.effects.blocks import Block, kind_of, open_blocks
from service.store.effects.rate_limits import BlockSignal
from service.store.permissions import worker_needs
from service.store.server_checks import trouble_with_encryption, trouble_with_format
from service.store.store import Store

log = structlog.get_logger(__name__)


@dataclass
class BlockMetrics:
    """Open blocks, and the events that they park."""

    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    _kinds: set[str] = field(default_factory=lambda: set(ADVICE))
    """Kinds shown so far. A gauge keeps its last value, so that a kind without a block has to be set to 0."""

    def __post_init__(self) -> None:
        gauge = partial(Gauge, labelnames=["kind"], registry=self.registry)
        self._blocks = gauge("ringback_blocks", "Open blocks for which work is parked.")
        self._parked = gauge("ringback_parked_events", "Events parked for an open block.")

    def show(self, blocks: Iterable[Block]) -> None:
        """Show the blocks that are open now."""
        number, parked = Counter[str](), Counter[str]()
        for block in blocks:
            number[block.kind] += 1
            parked[block.kind] += block.parked
        self._kinds.update(number)
        for kind in self._kinds:
            self._blocks.labels(kind).set(number[kind])
            self._parked.labels(kind).set(parked[kind])


async def trouble_with_account(store: Store) -> str | None:
    """Return what a person has to do before all parked work can go on, if anything.

    An outage at Telnyx asks for none: it passes.
    """
    try:
        async with asyncio.timeout(TIMEOUT):
            blocks = await open_blocks(store)
            waiting = [await trouble_with_format(store), await trouble_with_encryption(store)]
    except (TimeoutError, RedisError, OSError):
        return "Redis does not say what work is parked for"
    troubles = [
        f"{block.name} since {datetime.fromtimestamp(block.since / 1000, UTC).isoformat(timespec='seconds')}:"
        f" {block.advice}"
        for block in blocks
        if block.is_of_account
    ]
    return "; ".join([*troubles, *filter(None, waiting)]) or None


async def notify_of_block(store: Store, opened: BlockSignal) -> None:
    """Let a person know what work is parked for, and what to do."""
    text = f"{opened.advice} ({opened.name}: {opened.detail})"
    await notify(store, cause=f"work is parked ({kind_of(opened.name)})", text=text, mend="ringback events list")


class _HealthServer(uvicorn.Server):
    """uvicorn inside a loop that is another's: the signals stay with that one."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


@asynccontextmanager
async def serving_health(
    settings: Settings, working: Store, store: Store, registry: CollectorRegistry
) -> AsyncIterator[None]:
    """Serve on `RINGBACK_ADMIN_PORT` of `RINGBACK_ADMIN_HOST`, where it is set, until the block ends.

    `working` has the client of the work, on which readiness is proven. `store` is for everything else.

    Raises:
        service.processes.sockets.CannotListen: the address is taken or not ours.
    """
    if settings.admin_port is None:
        yield
        return
    with listen(settings.admin_host, settings.admin_port, "RINGBACK_ADMIN_PORT") as listener:
        probe = HealthProbe(working, worker_needs())
        account = partial(trouble_with_account, store)
        app = Starlette(routes=health_routes(probe, store, registry, also=account))
        server = _HealthServer(bounded_config(app, keep_alive=settings.keep_alive))
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        log.info("worker's health on", host=settings.admin_host, port=listener.getsockname()[1])
        try:
            yield
        finally:
            server.should_exit = True
            await serving
