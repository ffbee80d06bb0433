"""One request of a known visitor, with the data that its page needs, and the answers that it can get."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from service.dashboard.rendering import notice, render
from service.security.dashboard_users import DashboardUser, Role
from service.settings import Settings
from service.store.store import Store

MAX_FORM = 65_536
"""Bytes of a form."""
FORM_SECONDS = 5.0


@dataclass(frozen=True)
class View:
    """A page: its template, and the data that the template shows. Numbers in it are masked already.

    `live` says that it may be shown anew while it is open.
    """

    template: str
    data: Mapping[str, Any] = field(default_factory=dict)
    status: int = 200
    live: bool = False


@dataclass(frozen=True)
class Visit:
    """A request, and who sends it. `visitor` is None only on pages for anybody."""

    request: Request
    visitor: DashboardUser | None
    store: Store
    settings: Settings
    signs_in: bool

    def may(self, role: Role) -> bool:
        """Return whether the visitor has a role."""
        return self.visitor is not None and role in self.visitor.roles

    @property
    def actor(self) -> str:
        """The name under which changes are recorded."""
        return self.visitor.name if self.visitor else ""

    @property
    def root(self) -> str:
        """The path of the dashboard behind its proxy, without a slash at its end."""
        return str(self.request.scope.get("root_path", "")).rstrip("/")

    def query(self, name: str) -> str:
        """Return a parameter of the URL, trimmed, or an empty text."""
        return self.request.query_params.get(name, "").strip()

    async def form(self) -> dict[str, str]:
        """Return the fields of the form that was sent.

        Raises:
            HTTPException: it is too long, comes too slowly, or is no form.
        """
        if self.request.headers.get("content-type", "").partition(";")[0] != "application/x-www-form-urlencoded":
            raise HTTPException(415, "This is no form.")
        try:
            async with asyncio.timeout(FORM_SECONDS):
                body = await self._body()
        except TimeoutError:
            raise HTTPException(408, "This form came too slowly.") from None
        return dict(parse_qsl(body.decode(errors="replace"), keep_blank_values=True))

    async def _body(self) -> bytes:
        body = b""
        async for part in self.request.stream():
            body += part
            if len(body) > MAX_FORM:
                raise HTTPException(413, "This form is too long.")
        return body

    def answer(self, view: View) -> Response:
        """Return a page."""
        return Response(self.html(view), view.status, media_type="text/html")

    def html(self, view: View) -> str:
        """Return the text of a page."""
        frame: dict[str, Any] = {"root": self.root, "here": self.here, "visitor": self.visitor, "may": self.may}
        frame |= {"notice": notice(self.query("notice"), self.query("number"))}
        frame |= {"live": view.live, "signs_in": self.signs_in, "query": self.request.query_params}
        return render(view.template, {**frame, **view.data})

    @property
    def here(self) -> str:
        """The path of this page, without that of the proxy, and without its parameters."""
        path = str(self.request.scope["path"])
        return path.removeprefix(self.root) or "/"

    def go_to(self, path: str, **parameters: str | int) -> Response:
        """Return the answer that leads the browser to another page of the dashboard."""
        query = urlencode({name: value for name, value in parameters.items() if value != ""})
        joint = "&" if "?" in path else "?"
        return RedirectResponse(f"{self.root}{path}{joint + query if query else ''}", 303)


def path_of(*parts: str) -> str:
    """Return a path of the dashboard, each part escaped: an id may hold anything printable."""
    return "".join(f"/{quote(part, safe='')}" for part in parts)
