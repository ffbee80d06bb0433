"""Status changes of what is registered at Telnyx, raised as events: once each, by whatever way they were learnt.

A webhook, a poll or a command reads the registration from the API and calls `raise_changes`. The known state is read
before the API is. Where another process has stored a reading in between, this one may be older, so it is repeated.
"""

import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
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

    `urgent`: it is raised even at the first sight, whatever its name.
    """

    status: str
    reason: str | None = None
    at: datetime | None = None
    urgent: bool = False

    @property
    def mark(self) -> str:
        """Tells two statuses apart that bear the same name for different reasons, without keeping the reason."""
        return hashlib.sha256(f"{self.status}\x1f{self.reason or ''}".encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Reading:
    """A reading of the API: the statuses, oldest first (one, where there is no history), and the details for events.

    `version` is a text that changes whenever the statuses may change, so that unchanged ones of a list are skipped.
    """

    history: Sequence[Status]
    details: Mapping[str, Any]
    version: str = ""


@dataclass(frozen=True, slots=True)
class Change:
    """One step from a status to the next. `previous` is None where none was known."""

    previous: str | None
    now: Status


@dataclass(frozen=True, slots=True)
class Known:
    """The latest status that was dealt with, how many changes were raised so far, and the version that was read."""

    status: str
    mark: str
    at: datetime | None
    changes: int
    version: str = ""

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
            before = Known.parse(stored) if stored else None
            reading = await read()
            changes = new_changes(before, reading.history, self.needs_person)
            after = _after(before, reading, changes)
            if after is None or after == before:
                return []
            first = after.changes - len(changes) + 1
            raised = [_arrival(self.kind, subject, reading.details, *each) for each in enumerate(changes, start=first)]
            if await compare_and_set(
                self.store, self.kind, subject, before=stored, after=orjson.dumps(after), raised=raised
            ):
                return list(changes)
        raise TooMuchChange(f"{self.kind} {subject} kept changing")

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
        return before and replace(before, version=reading.version)
    raised = (before.changes if before else 0) + len(changes)
    return Known(last.status, last.mark, last.at, raised, reading.version)


def _arrival(kind: str, subject: str, details: Mapping[str, Any], number: int, change: Change) -> NewEvent:
    now = clock.now()
    told = {"previous": change.previous, "status": change.now.status, "reason": change.now.reason}
    payload = {"id": subject, **details, **told, "changed_at": change.now.at or datetime.fromtimestamp(now, UTC)}
    return NewEvent.derived(f"{kind}:{subject}:{number}", f"{kind}.status_changed", payload, "emit", at=now)
