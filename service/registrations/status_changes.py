"""Status changes of what is registered at Telnyx, raised as events: once each, by whatever way they were learnt.

A webhook, a poll or a command reads the registration from the API and calls `raise_changes`. The known state is read
before the API is. Where another process has stored a reading in between, this one may be older, so it is repeated.
"""

import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import orjson
from pydantic import TypeAdapter, ValidationError

from service import clock
from service.store.facts.remembered import all_known, compare_and_set, snapshot
from service.store.inbox.accept import NewEvent
from service.store.store import Store

MOST_READINGS = 10


class TooMuchChange(Exception):
    """Others kept learning of the same registration. Look again later."""


@dataclass(frozen=True, slots=True)
class Status:
    """One status that a registration has or had. `at` is None where Telnyx tells no time.

    `urgent`: it is raised even at the first sight, whatever its name. `told` is a reason from elsewhere than the API,
    which is passed on and makes no other status. `within` is the id of that to which the registration belongs, where it
    can move: elsewhere it is another status.
    """

    status: str
    reason: str | None = None
    at: datetime | None = None
    urgent: bool = False
    told: str | None = None
    within: str | None = None

    @property
    def mark(self) -> str:
        """Tells two statuses apart that bear the same name for different reasons, without keeping the reason."""
        # A row of Telnyx's may lack its status, whatever the SDK's types say.
        parts = [each or "" for each in (self.status, self.reason, self.within)]
        return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Reading:
    """A reading of the API: the statuses, oldest first (one, where there is no history), and the details for events.

    `version` is a text that changes whenever the statuses may change, so that unchanged ones of a list are skipped.
    `about` is what else is to be remembered of it.
    """

    history: Sequence[Status]
    details: Mapping[str, Any]
    version: str = ""
    about: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Change:
    """One step from a status to the next. `previous` is None where none was known."""

    previous: str | None
    now: Status


@dataclass(frozen=True, slots=True)
class Known:
    """The latest status that was dealt with, how many changes were raised so far, and the version that was read.

    `about` is what else the last reading said.
    """

    status: str
    mark: str
    at: datetime | None
    changes: int
    version: str = ""
    about: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def parse(cls, stored: bytes) -> "Known":
        """Read the stored form. A damaged one becomes an unknown status, so that the API is read again."""
        try:
            return _STORED.validate_json(stored)
        except ValidationError:
            return cls("unreadable", "", None, 0)


_STORED = TypeAdapter(Known)


@dataclass(frozen=True)
class Followed:
    """A kind of registration whose changes become events of the type `<kind>.status_changed`.

    `needs_person` holds the statuses that are raised even at the first sight of a registration.
    """

    store: Store
    kind: str
    needs_person: frozenset[str]

    async def raise_changes(self, subject: str, read: Callable[[], Awaitable[Reading]]) -> list[Change]:
        """Raise the changes since the last time, in their order. Return those that this call has raised.

        Raises:
            TooMuchChange: others kept learning of it meanwhile.
            redis.exceptions.RedisError: it is not known whether the changes are raised. Doing it again is harmless.
        """
        for _ in range(MOST_READINGS):
            stored = await snapshot(self.store, self.kind, subject)
            changes = await self.learn(subject, stored, await read())
            if changes is not None:
                return changes
        raise TooMuchChange(f"{self.kind} {subject} kept changing")

    async def learn(self, subject: str, stored: bytes | None, reading: Reading) -> list[Change] | None:
        """Raise the changes of a reading. `stored` is the known state from before the API was read.

        Return None, and raise nothing, if another one is known by now: the reading may be older.

        Raises:
            redis.exceptions.RedisError: it is not known whether the changes are raised. Doing it again is harmless.
        """
        before = Known.parse(stored) if stored else None
        changes = new_changes(before, reading.history, self.needs_person)
        after = _after(before, reading, changes)
        if after is None or after == before:
            return []
        first = after.changes - len(changes) + 1
        raised = [_arrival(self.kind, subject, reading.details, *each) for each in enumerate(changes, start=first)]
        kept = await compare_and_set(
            self.store, self.kind, subject, before=stored, after=orjson.dumps(after), raised=raised
        )
        return list(changes) if kept else None

    async def last_known(self, subject: str) -> Known | None:
        """Return the last known state of a registration."""
        stored = await snapshot(self.store, self.kind, subject)
        return Known.parse(stored) if stored else None

    async def versions(self) -> dict[str, str]:
        """Return the version of every registration of this kind that was read."""
        stored = await all_known(self.store, self.kind)
        return {subject: Known.parse(value).version for subject, value in stored.items()}


def new_changes(before: Known | None, history: Sequence[Status], needs_person: frozenset[str]) -> list[Change]:
    """Return the new steps of a history, oldest first. At the first sight: the last one if it needs a person."""
    if not history:
        return []
    if before is None:
        last = history[-1]
        previous = history[-2].status if len(history) > 1 else None
        return [Change(previous, last)] if last.urgent or last.status in needs_person else []
    changes, previous, mark = [], before.status, before.mark
    for each in _after_known(before, history):
        if each.mark != mark:
            changes.append(Change(previous, each))
            previous, mark = each.status, each.mark
    return changes


def _after_known(before: Known, history: Sequence[Status]) -> Sequence[Status]:
    """Return the entries after the last processed one. Where that is missing, return the later entries."""
    for position in range(len(history), 0, -1):
        entry = history[position - 1]
        if entry.mark == before.mark and entry.at == before.at:
            return history[position:]
    return [each for each in history if each.at is None or before.at is None or each.at > before.at]


def _after(before: Known | None, reading: Reading, changes: Sequence[Change]) -> Known | None:
    if changes:
        last = changes[-1].now
    elif before is None and reading.history:
        last = reading.history[-1]
    else:
        return before and replace(before, version=reading.version, about=dict(reading.about))
    raised = (before.changes if before else 0) + len(changes)
    return Known(last.status, last.mark, last.at, raised, reading.version, dict(reading.about))


def _arrival(kind: str, subject: str, details: Mapping[str, Any], number: int, change: Change) -> NewEvent:
    now = clock.now()
    reason = change.now.reason or change.now.told
    told = {"previous": change.previous, "status": change.now.status, "reason": reason}
    payload = {"id": subject, **details, **told, "changed_at": change.now.at or datetime.fromtimestamp(now, UTC)}
    return NewEvent.derived(f"{kind}:{subject}:{number}", f"{kind}.status_changed", payload, "emit", at=now)
