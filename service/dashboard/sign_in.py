"""Signing in and out. Attempts are limited by user and by address, in Redis, for all processes together."""

import asyncio
import re
from dataclasses import dataclass, field

import structlog

from service.dashboard.visitor import Access
from service.security.dashboard_users import LONGEST_PASSWORD, DashboardUser, is_password
from service.store.operators.sessions import Session, clear_attempts, count_attempt, mark_of, open_session
from service.store.store import Store

log = structlog.get_logger(__name__)

SESSION_SECONDS = 12 * 3600.0
WINDOW = 300.0
"""Seconds after the first attempt in which the others count."""
MOST_BY_USER = 5
MOST_BY_ADDRESS = 20

_PATH = re.compile(r"/(?![/\\])[\x21-\x7e]*")
MOST_CHECKS = 2
"""Passwords that are checked at once. Each check takes 64 MiB, so that a flood of them must not take all memory."""


class SignInRefused(Exception):
    """Nobody is signed in: the name or the password is wrong, or there were `too_many` attempts."""

    def __init__(self, *, too_many: bool = False) -> None:
        super().__init__("too many attempts" if too_many else "wrong name or password")
        self.too_many = too_many


@dataclass(frozen=True)
class SignIn:
    """The check of names and passwords."""

    store: Store
    access: Access
    _checks: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(MOST_CHECKS))

    async def attempt(self, name: str, password: str, *, address: str) -> str:
        """Return the token of a new session.

        Raises:
            SignInRefused: name or password are wrong, or there were too many attempts.
            RedisError: attempts cannot be counted, so nobody is signed in.
        """
        by_user, by_address = f"user {name}", f"address {address}"
        # Counted before the check: attempts at the same time must not all pass.
        # The address comes first: one that is refused must not lock users, or fill Redis with names.
        for subject, most in ((by_address, MOST_BY_ADDRESS), (by_user, MOST_BY_USER)):
            if await count_attempt(self.store, subject, seconds=WINDOW) > most:
                log.warning("too many attempts to sign in to the dashboard", address=address)
                raise SignInRefused(too_many=True)
        user = self.access.users.get(name)
        if not await self._matches(user, password) or user is None:
            log.warning("an attempt to sign in to the dashboard was refused", address=address)
            raise SignInRefused
        # Colleagues may share an address, and each of them signs in.
        for subject in (by_user, by_address):
            await clear_attempts(self.store, subject)
        return await open_session(self.store, Session(user.name, mark_of(user.password)), seconds=SESSION_SECONDS)

    async def _matches(self, user: DashboardUser | None, password: str) -> bool:
        if len(password) > LONGEST_PASSWORD:
            return False
        async with self._checks:
            return await asyncio.to_thread(is_password, user, password)


def own_path(text: str) -> str:
    """Return a path of the dashboard to go on to after signing in. Anything else becomes the first page."""
    return text if _PATH.fullmatch(text) else "/"
