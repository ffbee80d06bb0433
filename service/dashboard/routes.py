"""The frame of every route: who may ask, from where, and the headers of the answer. One table names all routes."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

from redis.exceptions import RedisError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.dashboard.live import is_asked_for, stream
from service.dashboard.rendering import parameters
from service.dashboard.request_origin import is_own_page
from service.dashboard.visit import View, Visit
from service.dashboard.visitor import Access
from service.ingress.local_requests import is_local
from service.security.dashboard_users import Role
from service.security.masking import describe_error
from service.settings import Settings
from service.store.facts.consent import KeyMissing
from service.store.store import Store

Endpoint = Callable[[Visit], Awaitable[View | Response]]

SAFE = frozenset({"GET", "HEAD"})


@dataclass(frozen=True, slots=True)
class Page:
    """One route: its path, the role that it asks for (None: anybody), and the methods that it takes.

    One that takes POST changes something, or shows what is to be on record.
    """

    path: str
    endpoint: Endpoint
    role: Role | None = "viewer"
    methods: tuple[str, ...] = ("GET",)


class Unforeseen(Exception):
    """A fault of our own. The text names its place, and not its own text, which may hold a message."""


@dataclass(frozen=True)
class Frame:
    """The parts that all routes of one dashboard share."""

    settings: Settings
    store: Store
    access: Access

    def route(self, page: Page) -> Route:
        """Return the route of a page."""
        return Route(page.path, partial(self._answer, page), methods=list(page.methods))

    async def _answer(self, page: Page, request: Request) -> Response:
        if request.method not in SAFE and not is_own_page(request, self.access.proxies):
            raise HTTPException(
                403,
                "This request does not come from a page of the dashboard, so nothing was changed. Behind a proxy, the"
                " proxy must pass the header Host on.",
            )
        if self.access.is_open and not is_local(request):
            raise HTTPException(
                403,
                "Without RINGBACK_DASHBOARD_USERS the dashboard answers on this machine only, under its own address.",
            )
        visitor = await self.access.visitor(request, self.store)
        visit = Visit(request, visitor, self.store, self.settings, self.access.has_passwords)
        if page.role is not None and visitor is None:
            return self._sign_in(visit)
        if page.role is not None and not visit.may(page.role):
            raise HTTPException(403, f"This needs the role {page.role}, which {visit.actor} does not have.")
        return await self._shown(page, visit)

    async def _shown(self, page: Page, visit: Visit) -> Response:
        try:
            answer = await page.endpoint(visit)
            if isinstance(answer, Response):
                return answer
            if answer.live and is_asked_for(visit.request):
                return stream(visit, page.endpoint, partial(self._is_still, visit))
            return visit.answer(answer)
        except (HTTPException, RedisError, OSError, KeyMissing):
            raise
        except Exception as error:  # noqa: BLE001 - a server would log its traceback, which may hold a message
            raise Unforeseen(describe_error(error)) from None

    async def _is_still(self, visit: Visit) -> bool:
        """Return whether the visitor of a stream would be let in now too."""
        return await self.access.visitor(visit.request, self.store) == visit.visitor

    def _sign_in(self, visit: Visit) -> Response:
        if not self.access.has_passwords:
            raise HTTPException(401, "The proxy in front of the dashboard names no user who has a role here.")
        if visit.request.method not in SAFE or is_asked_for(visit.request):
            raise HTTPException(401, "You are not signed in, or not any longer. Sign in, then try again.")
        query = visit.request.url.query
        after = visit.here + (f"?{query}" if query else "")
        return RedirectResponse(f"{visit.root}/sign-in{parameters({}, next=after)}", 303)


_FROM_US = ("script-src", "style-src", "img-src", "connect-src", "form-action")
_FROM_NOBODY = ("default-src", "base-uri", "frame-ancestors")
_POLICY = "; ".join([*(f"{each} 'none'" for each in _FROM_NOBODY), *(f"{each} 'self'" for each in _FROM_US)])
HEADERS = {
    "content-security-policy": _POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    # A stricter one would take the header Origin from our own forms.
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "x-robots-tag": "noindex",
}
_ENCODED = [(name.encode(), value.encode()) for name, value in HEADERS.items()]


class SecurityHeaders:
    """The application with the security headers on each answer. Pages are stored by nobody, unless they say so."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                known = list(message["headers"])
                if all(name != b"cache-control" for name, _ in known):
                    known.append((b"cache-control", b"no-store"))
                message["headers"] = [*known, *_ENCODED]
            await send(message)

        await self._app(scope, receive, with_headers if scope["type"] == "http" else send)


class UnderPath:
    """The application under a path of a proxy, whether the proxy takes that path off or passes it on."""

    def __init__(self, app: ASGIApp, root: str) -> None:
        self._app = app
        self._root = root

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] == "http":
            path = scope["path"].removeprefix(self._root) if self._has_root(scope["path"]) else scope["path"]
            scope = {**scope, "root_path": self._root, "path": self._root + (path or "/")}
        await self._app(scope, receive, send)

    def _has_root(self, path: str) -> bool:
        return path == self._root or path.startswith(f"{self._root}/")
