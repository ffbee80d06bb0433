"""Storing events of elsewhere, as ended or as just arrived."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from service.events import Envelope, InvalidBody, read_envelope
from service.events.consent import ConsentChange
from service.security.encryption import Sealer
from service.store.facts.consent import record_consent
from service.store.facts.message_states import encode_status
from service.store.inbox.accept import FROM_TELNYX, pack
from service.store.inbox.handler_records import HandlerRecord
from service.store.scripts import Argument
from service.store.store import Store

STEP = 50


@dataclass(frozen=True, slots=True)
class ImportedEvent:
    """An event of elsewhere, how far its handlers came with it, and when (ms) it arrived there."""

    id: str
    type: str
    body: bytes | None = field(repr=False)
    arrived_by: str
    received_at: int
    deliveries: int
    handlers: Mapping[str, HandlerRecord]


async def import_events(
    store: Store, events: Sequence[ImportedEvent], *, run_them: bool, keep: float
) -> list[Literal["imported", "known"]]:
    """Store events (at most `STEP`) as ended, or with `run_them` as just arrived; known ones stay unchanged.

    Their message states are kept for `keep` seconds, of known ones too. Their consent counts from its own time.

    Raises:
        redis.exceptions.RedisError: it is not known which are stored; storing them again is harmless.
    """
    told = [_told(event) for event in events]
    words = [word for event, envelope in zip(events, told, strict=True) for word in _words(event, envelope)]
    # First, so that no handler of an event that is to run can miss a STOP.
    await record_consent(store, words, now=0)
    args: list[Argument] = [int(run_them)]
    args += (
        _packed(event, envelope, store.encryption, keep=keep) for event, envelope in zip(events, told, strict=True)
    )
    return [answer.decode() for answer in await store.run("import", *args)]


def _packed(event: ImportedEvent, envelope: Envelope | None, encryption: Sealer, *, keep: float) -> bytes:
    more: dict[str, Any] = {
        "received_at": event.received_at,
        "deliveries": event.deliveries,
        "handlers": [
            (name, record.sealed(encryption, event.id, name).to_json().decode())
            for name, record in event.handlers.items()
        ],
    }
    if envelope is not None and envelope.message is not None:
        more["message"] = encode_status(envelope.message, encryption, keep=keep)
    return pack(event.id, event.type, event.arrived_by, event.body or b"", more=more, encryption=encryption)


def _told(event: ImportedEvent) -> Envelope | None:
    """Return the message state and consent in an event of Telnyx; a derived event has none."""
    if event.body is None or event.arrived_by not in FROM_TELNYX:
        return None
    try:
        return read_envelope(event.body)
    except InvalidBody:
        return None


def _words(event: ImportedEvent, envelope: Envelope | None) -> list[ConsentChange]:
    """Return the words about consent; a word without a time is of the event's arrival."""
    received_at = event.received_at / 1000
    words = envelope.words if envelope is not None else ()
    return [word if word.at is not None else replace(word, at=received_at) for word in words]
