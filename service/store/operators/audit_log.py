"""The audit log: who changed or revealed what, by command or on the dashboard.

An action is recorded before it is carried out. So an entry says that somebody began it, and an action without an entry
cannot have happened.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import orjson

from service.events.nested_json import transform
from service.security.masking import mask_e164, mask_ids, mask_numbers
from service.store.store import Store

MAX_ENTRIES = 50_000
"""Entries of the log: some 10 MB. The oldest ones are removed first."""
MAX_TEXT = 200
MAX_ITEMS = 20
"""Longest text, and items of a list, in what an entry says."""
PAGE = 500


@dataclass(frozen=True, slots=True)
class Actor:
    """A person who acts: `alice@host` on the command line, or the name of a user on the dashboard."""

    name: str
    by: Literal["command", "dashboard"]


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One action of a person. `at` is milliseconds since 1970, by the server's clock. `about` names its subject."""

    id: str
    at: int
    actor: str
    by: str
    action: str
    about: Mapping[str, Any] = field(default_factory=dict)


async def record_action(store: Store, actor: Actor, action: str, about: Mapping[str, Any]) -> str:
    """Write an entry, and return its id. Carry out the action only after that.

    `action` is the command, such as `dead retry`. Phone numbers in `about` are masked, long texts and lists are cut.

    Raises:
        redis.exceptions.RedisError: nothing was recorded, so do not act.
    """
    fields = ("actor", actor.name[:MAX_TEXT], "by", actor.by, "action", action, "about", orjson.dumps(_fit(about)))
    identity: bytes = await store.run("audit_entry", MAX_ENTRIES, *fields)
    return identity.decode()


async def audit_entries(
    store: Store,
    *,
    since: int | None = None,
    until: int | None = None,
    before: str | None = None,
    actor: str | None = None,
    action: str | None = None,
    limit: int = 50,
) -> list[AuditEntry]:
    """Return up to `limit` entries, the newest first. Times are milliseconds since 1970.

    `before` is the id of the last entry of the page before. `action` may be the beginning of one, such as `dead`.
    """
    found: list[AuditEntry] = []
    newest = f"({before}" if before else "+" if until is None else str(until)
    while True:
        page = await store.redis.xrevrange(store.keys.audit_log, newest, "-" if since is None else since, count=PAGE)
        for identity, fields in page:
            entry = _entry(identity.decode(), fields)
            if actor in (None, entry.actor) and (action is None or f"{entry.action} ".startswith(f"{action} ")):
                found.append(entry)
        if len(page) < PAGE or len(found) >= limit:
            return found[:limit]
        newest = f"({page[-1][0].decode()}"


def _fit(about: Mapping[str, Any]) -> Any:
    """Return what an entry says, without whole numbers, and bounded."""
    bounded = {name: _bounded(value) for name, value in about.items() if value not in (None, False, "", [], ())}
    return transform(bounded, lambda leaf, name: _masked(leaf, name)[:MAX_TEXT] if isinstance(leaf, str) else leaf)


def _masked(text: str, name: str) -> str:
    """Return a text without numbers. People search by ids, so long digits in these stay."""
    return mask_e164(mask_ids(text)) if name.endswith(("id", "ids")) else mask_numbers(text)


def _bounded(value: Any) -> Any:
    if not isinstance(value, list | tuple | set | frozenset):
        return value
    items = list(value)
    more = [f"and {len(items) - MAX_ITEMS:,} more"] if len(items) > MAX_ITEMS else []
    return items[:MAX_ITEMS] + more


def _entry(identity: str, fields: Mapping[bytes, bytes]) -> AuditEntry:
    told = {name.decode(): value.decode(errors="replace") for name, value in fields.items()}
    try:
        about = orjson.loads(told.get("about", "{}"))
    except ValueError:
        about = {}
    kept = {name: told.get(name, "") for name in ("actor", "by", "action")}
    return AuditEntry(identity, int(identity.partition("-")[0]), **kept, about=about if isinstance(about, dict) else {})
