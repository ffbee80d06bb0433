"""One event for people: its record, its effects, its timeline, and its body as far as it may be seen."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from service.dashboard.timeline import Line, build
from service.events import Event, InvalidBody, Message, read_event, read_object
from service.events.phone_number import canonical_number
from service.security.anonymize import masked
from service.security.encryption import MissingEncryptionKey, SealDamaged
from service.store.connection import server_time
from service.store.effects.ledger import Entry, effects_of
from service.store.inbox.accept import find
from service.store.inbox.records import EventRecord
from service.store.store import Store


@dataclass(frozen=True)
class EventView:
    """An event, its effects and its timeline."""

    record: EventRecord
    effects: list[Entry]
    lines: list[Line]


async def look_at(store: Store, event_id: str) -> EventView | None:
    """Return an event and its timeline, None where there is no such event."""
    record = await find(store, event_id)
    if record is None:
        return None
    effects = await effects_of(store, event_id)
    return EventView(record, effects, build(record, effects, await server_time(store.redis)))


def why_no_body(record: EventRecord) -> str:
    """Return why a record has no body to show."""
    if "body" in record.damaged:
        return str(SealDamaged())
    return "expired (retention)" if record.sealed_under is None else str(MissingEncryptionKey(record.sealed_under))


def body_of(record: EventRecord, *, reveal: bool) -> Any:
    """Return the body as JSON, masked unless `reveal`. Return a body that is no JSON only with `reveal`, as a text."""
    if record.body is None:
        return None
    try:
        content = read_object(record.body)
    except InvalidBody:
        return record.body.decode(errors="replace") if reveal else None
    return content if reveal else masked(content)


def texts_of(entry: Entry) -> dict[str, str | None]:
    """Return what is kept of the request and of the answer."""
    kept = {"request": entry.body, "answer": entry.answer.body if entry.answer else None}
    return {name: None if body is None else body.decode(errors="replace") for name, body in kept.items()}


def message_event(record: EventRecord) -> Event[Message] | None:
    """Return an event about a message with its payload. Return None for any other, and without a readable body."""
    if record.body is None or not record.type.startswith("message."):
        return None
    try:
        plain = read_event(record.id, record.type, record.body, record.arrived_by)
        payload = Message.model_validate(plain.payload)
    except (InvalidBody, ValidationError):
        return None
    return Event(plain.id, plain.type, plain.occurred_at, payload, plain.arrived_by)


def numbers_of(message: Message) -> Iterator[str]:
    """Yield the numbers between which a message went, each once."""
    parties = (message.from_, *message.to)
    found = (canonical_number(each.phone_number) for each in parties)
    yield from dict.fromkeys(number for number in found if number is not None)
