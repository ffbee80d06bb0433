"""The dashboard as an ASGI application, to be served alone or mounted in another."""

import contextlib
from collections.abc import AsyncIterator
from http import HTTPStatus

import structlog
from redis.exceptions import RedisError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import Response

from service.dashboard.live import Streams
from service.dashboard.pages import PAGES
from service.dashboard.pages.health import Examination
from service.dashboard.pages.jobs import RunningJobs
from service.dashboard.routes import Frame, SecurityHeaders, UnderPath, Unforeseen
from service.dashboard.sign_in import SignIn
from service.dashboard.visit import View, Visit
from service.dashboard.visitor import Access
from service.settings import Settings, load
from service.store.connection import connect, locate
from service.store.facts.consent import KeyMissing
from service.store.redis_errors import describe_redis_error
from service.store.store import Store

log = structlog.get_logger(__name__)

TIMEOUT = 5.0
"""Seconds that Redis may take for one command of a page."""
CONNECTIONS = 10


def create_dashboard(settings: Settings | None = None) -> Starlette:
    """Return the dashboard as an ASGI application, to be served alone or mounted in another.

    Raises:
        InvalidSettings: a variable is invalid, or the file of users.
        service.processes.data_folder.NotRunning: `REDIS_URL` is unset and no embedded server answers.
    """
    settings = settings or load()
    access = Access.of(settings)
    redis = connect(locate(settings), timeout=TIMEOUT, connections=CONNECTIONS)
    frame = Frame(settings, Store.of(redis, settings), access)
    errors = _ErrorPages(frame)

    under = [Middleware(UnderPath, settings.dashboard_root_path)] if settings.dashboard_root_path else []

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        await redis.aclose()

    app = Starlette(
        routes=[frame.route(page) for page in PAGES],
        middleware=[*under, Middleware(SecurityHeaders), Middleware(GZipMiddleware, minimum_size=1024)],
        exception_handlers={
            HTTPException: errors.refused,
            RedisError: errors.unreachable,
            TimeoutError: errors.unreachable,
            OSError: errors.unreachable,
            KeyMissing: errors.key_missing,
            Unforeseen: errors.failed,
        },
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False
    app.state.streams = Streams()
    app.state.access = access
    app.state.examination = Examination()
    app.state.jobs = RunningJobs()
    app.state.sign_in = SignIn(frame.store, access)
    return app


class _ErrorPages:
    """The pages of errors. They say what to do, and quote no foreign text."""

    def __init__(self, frame: Frame) -> None:
        self._frame = frame

    def refused(self, request: Request, error: Exception) -> Response:
        """Answer a request that is refused, or that leads nowhere."""
        status = error.status_code if isinstance(error, HTTPException) else 500
        headers = error.headers if isinstance(error, HTTPException) else None
        text = error.detail if isinstance(error, HTTPException) else ""
        if status == 404 and text == HTTPStatus(404).phrase:
            text = "There is no such page. The menu leads to all of them."
        return self._page(request, status, text, headers)

    def unreachable(self, request: Request, error: Exception) -> Response:
        """Answer while Redis does not."""
        where = "Redis"
        text = describe_redis_error(error, where) if isinstance(error, RedisError) else f"{where} does not answer."
        return self._page(request, 503, f"{text} The page works again as soon as Redis does.", {"retry-after": "5"})

    def key_missing(self, request: Request, error: Exception) -> Response:
        """Answer where data is sealed under a key that is not here."""
        return self._page(request, 503, str(error))

    def failed(self, request: Request, error: Exception) -> Response:
        """Answer a fault of our own."""
        log.error("a page of the dashboard failed", error=str(error))
        return self._page(request, 500, f"A fault of Ringback's own: {error}. Please report it.")

    def _page(self, request: Request, status: int, text: str, headers: object = None) -> Response:
        visit = Visit(request, None, self._frame.store, self._frame.settings, signs_in=False)
        phrase = HTTPStatus(status).phrase
        answer = visit.answer(View("error", {"title": phrase, "text": text, "code": status}, status))
        if isinstance(headers, dict):
            answer.headers.update(headers)
        return answer
