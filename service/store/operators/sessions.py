"""Sessions of the dashboard's users, and attempts to sign in.

A session is known by a random token, whose digest alone is stored: a reader of Redis can use none. Sign-out deletes it.
"""

import hashlib
import secrets
from dataclasses import asdict, dataclass

import orjson

from service.store.later_fields import known_fields
from service.store.store import Store

TOKEN_BYTES = 32


@dataclass(frozen=True, slots=True)
class Session:
    """A signed-in user. `mark` is that of his password, whose change ends the session."""

    user: str
    mark: str


def mark_of(password_hash: str) -> str:
    """Return the mark of a stored password hash."""
    return _digest(f"mark {password_hash}")[:16]


async def open_session(store: Store, session: Session, *, seconds: float) -> str:
    """Store a session for so long, and return its token."""
    token = secrets.token_urlsafe(TOKEN_BYTES)
    await store.run("session_open", _digest(token), orjson.dumps(asdict(session)), int(seconds))
    return token


async def read_session(store: Store, token: str) -> Session | None:
    """Return the session with this token, None where there is none."""
    stored: bytes | None = await store.redis.get(store.keys.session(_digest(token)))
    return None if stored is None else Session(**known_fields(Session, stored))


async def close_session(store: Store, token: str) -> None:
    """Delete a session."""
    await store.redis.delete(store.keys.session(_digest(token)))


async def count_attempt(store: Store, subject: str, *, seconds: float) -> int:
    """Count one attempt about a subject, and return how many there were since the first one, `seconds` ago at most."""
    return int(await store.run("sign_in_attempt", _digest(subject), int(seconds)))


async def clear_attempts(store: Store, subject: str) -> None:
    """Forget the attempts about a subject."""
    await store.redis.delete(store.keys.sign_ins(_digest(subject)))


async def number_secret(store: Store) -> bytes:
    """Return the secret under which numbers become tokens. The first caller makes it."""
    known: bytes | None = await store.redis.get(store.keys.dashboard_secret)
    if known is not None:
        # Redis refuses to write where its memory is full.
        return known
    fresh = secrets.token_bytes(TOKEN_BYTES)
    known = await store.redis.set(store.keys.dashboard_secret, fresh, nx=True, get=True)
    return fresh if known is None else known


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()
