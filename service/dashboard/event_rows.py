"""Events as the rows of a list."""

from collections.abc import Iterable
from dataclasses import dataclass

from service.dashboard.visit import path_of
from service.store.inbox.records import EventRecord


@dataclass(frozen=True, slots=True)
class HandlerCell:
    """How far a handler is with an event."""

    name: str
    state: str
    attempts: int
    reason: str | None
    error: str | None


@dataclass(frozen=True, slots=True)
class EventRow:
    """One event of a list. `received_at` is milliseconds since 1970."""

    id: str
    path: str
    type: str
    state: str
    received_at: int
    handlers: tuple[HandlerCell, ...]


def rows_of(records: Iterable[EventRecord]) -> list[EventRow]:
    """Return the rows of these events."""
    return [_row(record) for record in records]


def _row(record: EventRecord) -> EventRow:
    cells = (
        HandlerCell(name, one.state, one.runs_counted, one.reason, one.error) for name, one in record.handlers.items()
    )
    path = path_of("events", record.id)
    return EventRow(record.id, path, record.type, record.state, record.received_at, tuple(cells))
