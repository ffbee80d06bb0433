"""The visitor of a page: the user of a session, or of a trusted proxy, or anybody on this machine."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args

from starlette.requests import HTTPConnection

from service.dashboard.request_origin import Networks, host_of, is_from
from service.ingress.local_requests import is_local, only_header
from service.security.dashboard_users import DashboardUser, Role, is_inline, parse_users, user_of_proxy
from service.security.private_files import Exposed, require_private
from service.settings import InvalidSettings, Settings
from service.settings.values import networks
from service.store.operators.sessions import mark_of, read_session
from service.store.store import Store

_PORT = re.compile(r":([0-9]{1,5})$")
LOCAL = DashboardUser("local", frozenset(get_args(Role)))
"""The visitor on this machine where no credentials are configured."""


@dataclass(frozen=True)
class Access:
    """The users by name, and the proxies that may name one in a header."""

    users: Mapping[str, DashboardUser] = field(default_factory=dict)
    header: str | None = None
    proxies: Networks = ()

    @classmethod
    def of(cls, settings: Settings) -> "Access":
        """Return what the settings say.

        Raises:
            InvalidSettings: the file of users cannot be read, others can read it, or an entry is invalid.
        """
        peers = networks(settings.dashboard_proxy_peers) if settings.dashboard_proxy_peers else ()
        given = settings.dashboard_users
        users = {} if given is None else read_users(given.get_secret_value())
        if settings.dashboard_proxy_header is not None and not users:
            raise InvalidSettings(
                "RINGBACK_DASHBOARD_PROXY_HEADER needs RINGBACK_DASHBOARD_USERS: without a role nobody may come in."
                " *:viewer:proxy lets everybody read whom the proxy lets through"
            )
        return cls(users, settings.dashboard_proxy_header, peers)

    @property
    def is_open(self) -> bool:
        """Whether there are no credentials, so that only this machine may ask."""
        return not self.users

    @property
    def has_passwords(self) -> bool:
        """Whether somebody can sign in with a password."""
        return any(user.password for user in self.users.values())

    async def visitor(self, request: HTTPConnection, store: Store) -> DashboardUser | None:
        """Return who asks, None where that is nobody known.

        Raises:
            redis.exceptions.RedisError: the session cannot be read.
        """
        if self.is_open:
            return LOCAL if is_local(request) else None
        if self.header is not None and is_from(request, self.proxies) and self.header in request.headers:
            return user_of_proxy(self.users, only_header(request, self.header) or "")
        return await self._of_session(request, store)

    async def _of_session(self, request: HTTPConnection, store: Store) -> DashboardUser | None:
        token = request.cookies.get(cookie_name(request, self.proxies))
        session = await read_session(store, token) if token else None
        user = self.users.get(session.user) if session else None
        if session is None or user is None or not user.password or mark_of(user.password) != session.mark:
            return None
        return user


def cookie_name(request: HTTPConnection, proxies: Networks) -> str:
    """Return the name of a session's cookie. A browser sends a cookie to all ports of a host, so each has its own."""
    port = _PORT.search(host_of(request, proxies))
    return f"ringback_session{port[1] if port else ''}"


def read_users(given: str) -> Mapping[str, DashboardUser]:
    """Return the users that a variable names, or that stand in the file that it names.

    Raises:
        InvalidSettings: the file cannot be read, others can read it, or an entry is invalid. No hash is quoted.
    """
    variable = "RINGBACK_DASHBOARD_USERS"
    try:
        if is_inline(given):
            return parse_users(given)
        path = Path(given.strip())
        text = path.read_text("utf-8")
        require_private(path, secret=True)
        return parse_users(text)
    except Exposed as error:
        raise InvalidSettings(f"{variable}: {error}") from None
    except (OSError, UnicodeDecodeError):
        # Without the name: it may be an entry with a password in the place of its hash.
        raise InvalidSettings(
            f"{variable} is neither a file that can be read nor NAME:ROLE:HASH, as ringback dashboard user NAME prints"
        ) from None
    except ValueError as error:
        raise InvalidSettings(f"{variable} {error}") from None
