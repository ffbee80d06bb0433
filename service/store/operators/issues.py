"""Issues: the dead events by cause, and the state that an operator gives to each cause."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import orjson

from service.store.connection import server_time
from service.store.operators.audit_log import Actor
from service.store.store import Store

HOUR = 3_600_000
OTHER = "other"
"""The reason under which a handler's causes beyond 1,000 are counted together (`lua/lib/causes.lua`)."""

IssueState = Literal["open", "acknowledged", "resolved", "ignored"]
"""The states that an operator gives. An issue without one is open."""
ShownState = Literal["open", "acknowledged", "resolved", "ignored", "reopened"]


@dataclass(frozen=True, slots=True)
class Issue:
    """A cause of death: a handler and its reason. Times are milliseconds since 1970, by the server's clock.

    `id` is a digest of the cause. `count` is the number of events that are dead for it now. `first_at` is its first
    death ever, `last_at` the last one among these, `last_event` its event. Without dead events, these two are None.
    `actor` gave the state at `stated_at`.
    """

    id: str
    handler: str
    reason: str
    count: int
    first_at: int
    last_at: int | None
    last_event: str | None
    stated: IssueState = "open"
    actor: str | None = None
    stated_at: int | None = None

    @property
    def is_others(self) -> bool:
        """Whether it counts several causes of its handler together."""
        return self.reason == OTHER

    @property
    def state(self) -> ShownState:
        """The state in force. A resolved issue is reopened by a death after it was resolved."""
        if self.stated == "resolved" and self.last_at is not None and self.last_at > (self.stated_at or 0):
            return "reopened"
        return self.stated


async def read_issues(store: Store) -> list[Issue]:
    """Return all issues, the latest death first. At most 1,000 causes are kept apart.

    Raises:
        redis.exceptions.RedisError: Redis cannot be reached.
    """
    rows: list[list[Any]] = await store.run("issues")
    found = [_issue(*row) for row in rows]
    return sorted(found, key=lambda issue: (-(issue.last_at or 0), issue.handler, issue.reason))


async def issue_history(store: Store, ids: Sequence[str], *, span: int = HOUR, spans: int = 24) -> dict[str, list[int]]:
    """Return for each issue how many of its dead events died in each span (ms), the oldest first. At most 50 ids."""
    rows = await store.run("issue_history", span, spans, *ids)
    return dict(zip(ids, rows, strict=True))


async def state_issue(store: Store, issue: str, state: IssueState, actor: Actor) -> None:
    """Give an issue a state. Record the action in the audit log before.

    Raises:
        redis.exceptions.RedisError: Redis cannot be reached, or refuses.
    """
    told = orjson.dumps({"state": state, "actor": actor.name, "at": await server_time(store.redis)})
    await store.redis.hset(store.keys.issues, issue, told.decode())  # type: ignore[misc]


def _issue(digest: bytes, cause: bytes, count: int, *told: bytes) -> Issue:
    last_at, last_event, stated = told
    known, given = _object(cause), _object(stated)
    state: Any = given.get("state")
    return Issue(
        id=digest.decode(),
        handler=str(known.get("handler", "")),
        reason=str(known.get("reason", "")),
        count=count,
        first_at=int(known.get("first", 0)),
        last_at=int(float(last_at)) if last_at else None,
        last_event=last_event.decode(errors="replace") or None,
        stated=state if state in get_args(IssueState) else "open",
        actor=given.get("actor"),
        stated_at=given.get("at"),
    )


def _object(text: bytes) -> dict[str, Any]:
    try:
        told = orjson.loads(text or b"{}")
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}
