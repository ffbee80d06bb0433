"""The users of the dashboard: their names, their roles, and the hashes of their passwords. Pure.

One user is `NAME:ROLES:HASH`. Roles are joined by `+`. The hash is that of argon2id, or the word `proxy` for a user
whom a trusted proxy signs in. `*` is every name that the proxy says and that no other line has.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from nacl.exceptions import CryptoError
from nacl.pwhash import argon2id, verify

Role = Literal["viewer", "operator", "revealer"]
"""A viewer reads, numbers masked. An operator changes. A revealer sees numbers and texts. All read."""

ANYBODY = "*"
BY_PROXY = "proxy"
SHORTEST_PASSWORD = 10
LONGEST_PASSWORD = 1024
MOST_MEMORY = 256 * 1024
"""KiB that the check of one password may take."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}")
_HASH = re.compile(r"\$argon2id\$v=19\$m=(\d{1,9}),t=(\d{1,3}),p=1\$[A-Za-z0-9+/]{11,86}\$[A-Za-z0-9+/]{16,128}")
_INLINE = re.compile(r"\s*(?:[A-Za-z0-9*][A-Za-z0-9._@+-]*):[a-z+]+:(?:\$argon2id\$|proxy\b)")


@dataclass(frozen=True, slots=True)
class DashboardUser:
    """One user. `password` is the hash, empty for one whom only the proxy signs in."""

    name: str
    roles: frozenset[Role]
    password: str = field(default="", repr=False)


def is_inline(text: str) -> bool:
    """Return whether a text names users itself, rather than a file of them."""
    return _INLINE.match(text) is not None


def parse_users(text: str) -> dict[str, DashboardUser]:
    """Read users, one on each line or between blanks, without lines that begin with `#`.

    Raises:
        ValueError: an entry is invalid. The text names its user, and no hash.
    """
    lines = (line for line in text.splitlines() if not line.lstrip().startswith("#"))
    users: dict[str, DashboardUser] = {}
    for entry in " ".join(lines).split():
        user = _user(entry)
        if user.name in users:
            raise ValueError(f"has the user {user.name} twice")
        users[user.name] = user
    if not users:
        raise ValueError("names no user: ringback dashboard user NAME prints a line")
    return users


def _user(entry: str) -> DashboardUser:
    name, roles, *rest = [*entry.split(":", 2), "", ""][:3]
    if name != ANYBODY and not _NAME.fullmatch(name):
        raise ValueError("has an entry without a name: give NAME:ROLE:HASH, as ringback dashboard user NAME prints it")
    known = frozenset(roles.split("+"))
    if not known <= frozenset(get_args(Role)):
        raise ValueError(f"has no valid role for {name}: give viewer, operator, revealer, or several joined by +")
    password, known = rest[0], known | {"viewer"}
    if password == BY_PROXY:
        return DashboardUser(name, known)  # type: ignore[arg-type]
    if name == ANYBODY or not _is_hash(password):
        raise ValueError(f"has no argon2id hash for {name}: ringback dashboard user NAME prints one")
    return DashboardUser(name, known, password)  # type: ignore[arg-type]


def _is_hash(text: str) -> bool:
    found = _HASH.fullmatch(text)
    return found is not None and int(found[1]) <= MOST_MEMORY and int(found[2]) <= 16


def hash_password(password: str) -> str:
    """Return the argon2id hash of a password, in its usual form. Takes 64 MiB and some 50 ms."""
    return argon2id.str(
        password.encode(), opslimit=argon2id.OPSLIMIT_INTERACTIVE, memlimit=argon2id.MEMLIMIT_INTERACTIVE
    ).decode()


_NOBODYS = "$argon2id$v=19$m=65536,t=2,p=1$WfQiIpPC4cOcRBHs4hvLZA$soSK3tDry43/u9Arkuca8AWBwdElPMw7n6Mv6txDha4"
"""A hash against which the password of an unknown user is checked, so that both take the same time."""


def is_password(user: DashboardUser | None, password: str) -> bool:
    """Return whether this is the password of a user. Takes as long for an unknown user."""
    stored = user.password if user is not None and user.password else _NOBODYS
    try:
        matches = verify(stored.encode(), password.encode())
    except CryptoError:
        return False
    return matches and stored is not _NOBODYS


def user_of_proxy(users: Mapping[str, DashboardUser], name: str) -> DashboardUser | None:
    """Return the user whom a proxy names, None where nobody has given him a role."""
    known = users.get(name)
    if known is None and ANYBODY in users and _NAME.fullmatch(name):
        return DashboardUser(name, users[ANYBODY].roles)
    return known if known is not None and name != ANYBODY and not known.password else None
