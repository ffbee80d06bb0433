"""The process of the dashboard."""

from types import FrameType

import structlog
import uvicorn
from starlette.applications import Starlette

from service.dashboard.app import create_dashboard
from service.dashboard.visitor import Access
from service.ingress.http_protocol import bounded_config
from service.processes.garbage_collection import collect_rarely
from service.processes.loopback import is_loopback
from service.processes.signals import end_quietly_on_signals, ignore_signals
from service.processes.sockets import listen
from service.settings import DASHBOARD_PORT, InvalidSettings, Settings
from service.store.connection import locate
from service.store.server_checks import require_usable_at

log = structlog.get_logger(__name__)

GRACE = 5.0
"""Seconds for the answers under way at a stop."""


def check_access(settings: Settings) -> Access:
    """Return who may come in.

    Raises:
        InvalidSettings: the dashboard would listen beyond loopback without credentials, or its users are invalid.
    """
    access = Access.of(settings)
    if access.is_open and not is_loopback(settings.dashboard_host):
        raise InvalidSettings(
            f"RINGBACK_DASHBOARD_HOST is {settings.dashboard_host}, without users: set"
            " RINGBACK_DASHBOARD_USERS, or bind to 127.0.0.1. ringback dashboard user NAME prints a user"
        )
    return access


def serve(settings: Settings) -> None:
    """Serve the dashboard until SIGTERM or SIGINT.

    Raises:
        CannotListen: the address is not free.
        InvalidSettings: it would be open to others, or a variable is invalid.
        NotRunning: `REDIS_URL` is unset and no embedded server answers.
    """
    access = check_access(settings)
    require_usable_at(locate(settings))
    port = DASHBOARD_PORT if settings.dashboard_port is None else settings.dashboard_port
    listener = listen(settings.dashboard_host, port, "RINGBACK_DASHBOARD_PORT")
    app = create_dashboard(settings)
    _announce(settings, access, listener.getsockname()[1])
    end_quietly_on_signals()
    collect_rarely()
    config = bounded_config(app, keep_alive=settings.keep_alive, lifespan="on", grace=GRACE)
    _Server(config, app).run(sockets=[listener])
    ignore_signals()


def _announce(settings: Settings, access: Access, port: int) -> None:
    host = f"[{settings.dashboard_host}]" if ":" in settings.dashboard_host else settings.dashboard_host
    log.info("dashboard on", url=f"http://{host}:{port}{settings.dashboard_root_path}/")
    if access.is_open:
        log.warning("the dashboard asks for no password, and answers on this machine only: RINGBACK_DASHBOARD_USERS")
    elif access.has_passwords and not is_loopback(settings.dashboard_host):
        log.warning("passwords for the dashboard cross the network in the clear, unless a proxy in front adds TLS")


class _Server(uvicorn.Server):
    """uvicorn, whose stop ends the live pages too: it would wait for them."""

    def __init__(self, config: uvicorn.Config, app: Starlette) -> None:
        super().__init__(config)
        self._app = app

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to stop."""
        self._app.state.streams.stopping.set()
        super().handle_exit(sig, frame)
