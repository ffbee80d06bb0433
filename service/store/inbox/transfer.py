"""Exported and imported events: one on each line, as a JSON object.

| field | holds |
|---|---|
| `id`, `type`, `state`, `arrived_by`, `deliveries` | as in the record |
| `received_at`, `ended_at` | times in UTC, to the millisecond |
| `handlers` | by name `state`, `attempts`, `reason`, and with `--raw` `error` |
| `body` | the body in disguise, an object (a text where nested very deeply), with `--raw` the very text, or null |
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import orjson
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from service.events import Envelope, InvalidBody, read_envelope, read_object
from service.events.consent import ConsentChange
from service.events.nested_json import dump_json, for_machines
from service.security.anonymize import Anonymizer
from service.security.encryption import Sealer
from service.store.facts.consent import record_consent
from service.store.facts.message_states import encode_status
from service.store.facts.said import keep_said
from service.store.inbox.accept import FROM_TELNYX, pack
from service.store.inbox.handler_records import HandlerRecord
from service.store.inbox.records import EventRecord
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


async def keep_what_is_said(store: Store, events: Sequence[ImportedEvent], *, keep: float) -> None:
    """Keep what events say of consent and messages, before any of them runs. A STOP may come long after a failure.

    Raises:
        redis.exceptions.RedisError: it is not known what was kept. Doing it again is harmless.
    """
    told = [(event, _told(event)) for event in events]
    words = [word for event, envelope in told for word in _words(event, envelope)]
    messages = [(event.id, each.message) for event, each in told if each is not None and each.message is not None]
    await keep_said(store, words, messages, keep=keep)


async def import_events(
    store: Store, events: Sequence[ImportedEvent], *, run_them: bool, keep: float
) -> list[Literal["imported", "known"]]:
    """Store events (at most `STEP`) as ended, or with `run_them` as just arrived. Known ones stay unchanged.

    Their message states are kept for `keep` seconds, of known ones too. Their consent counts from its own time.

    Raises:
        redis.exceptions.RedisError: it is not known which are stored. Storing them again is harmless.
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
    sealed = {name: record.sealed(encryption, event.id, name) for name, record in event.handlers.items()}
    handlers = [(name, record.to_json().decode()) for name, record in sealed.items()]
    more: dict[str, Any] = {"received_at": event.received_at, "deliveries": event.deliveries, "handlers": handlers}
    if envelope is not None and envelope.message is not None:
        more["message"] = encode_status(envelope.message, encryption, keep=keep)
    return pack(event.id, event.type, event.arrived_by, event.body or b"", more=more, encryption=encryption)


def _told(event: ImportedEvent) -> Envelope | None:
    """Return the message state and consent in an event of Telnyx. A derived event has none."""
    if event.body is None or event.arrived_by not in FROM_TELNYX:
        return None
    try:
        return read_envelope(event.body)
    except InvalidBody:
        return None


def _words(event: ImportedEvent, envelope: Envelope | None) -> list[ConsentChange]:
    """Return the words about consent. A word without a time is of the event's arrival."""
    received_at = event.received_at / 1000
    words = envelope.words if envelope is not None else ()
    return [word if word.at is not None else replace(word, at=received_at) for word in words]


_EARLIEST, _LATEST = -62_135_596_800_000, 253_402_300_799_999
"""Milliseconds from the year 1 to 9999."""
NOT_BEGUN = "import"
"""The handler of an unfinished event that no handler had begun. A Python keyword, so that it is nobody's. A retry puts
those in its place that are subscribed here (`lua/dead_retry.lua`)."""
UNENDED = "it had not ended where it was exported: ringback dead retry runs it here"


class UnfitLine(Exception):
    """A line is no exported event. The text says what is wrong with it, and quotes nothing of it."""


class ExportedHandler(BaseModel):
    """How far a handler was."""

    model_config = ConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True)

    state: Literal["pending", "waiting", "parked", "done", "dead"]
    attempts: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    reason: Annotated[str | None, Field(max_length=300)] = None
    error: Annotated[str | None, Field(max_length=2000)] = None


class ExportedEvent(BaseModel):
    """One line."""

    model_config = ConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True)

    id: Annotated[str, Field(min_length=1, max_length=300)]
    type: Annotated[str, Field(min_length=1, max_length=300)]
    state: str | None = None
    received_at: AwareDatetime
    arrived_by: Annotated[str, Field(max_length=20)] = "webhook"
    deliveries: Annotated[int, Field(ge=1, le=1_000_000_000)] = 1
    handlers: Annotated[
        Mapping[Annotated[str, Field(pattern=r"^[^\W\d]\w*$", max_length=200)], ExportedHandler], Field(max_length=500)
    ] = Field(default_factory=dict)
    body: str | dict[str, Any] | None = None


def to_line(record: EventRecord, disguise: Anonymizer | None) -> bytes:
    """Return one event as a line, unchanged without an anonymizer."""
    hide = disguise.name if disguise is not None else str
    line = {
        "id": hide(record.id),
        "type": record.type,
        "state": record.state,
        "received_at": format_timestamp(record.received_at),
        "ended_at": None if record.ended_at is None else format_timestamp(record.ended_at),
        "arrived_by": record.arrived_by,
        "deliveries": record.deliveries,
        "handlers": {name: _handler(each, disguise) for name, each in record.handlers.items()},
        "body": _body(record.body, disguise),
    }
    return orjson.dumps(line) + b"\n"


def read_line(line: bytes, *, longest_body: int) -> ImportedEvent:
    """Read one line of any writer.

    Raises:
        UnfitLine: it is no exported event.
    """
    try:
        event = ExportedEvent.model_validate(orjson.loads(line))
    except orjson.JSONDecodeError:
        raise UnfitLine("not a JSON object on one line") from None
    except ValidationError as error:
        raise UnfitLine(_explain(error)) from None
    return ImportedEvent(
        id=_writable(event.id, "id"),
        type=_writable(event.type, "type"),
        body=_read_body(event.body, longest_body),
        arrived_by=_writable(event.arrived_by, "arrived_by"),
        received_at=max(0, int(event.received_at.timestamp() * 1000)),
        deliveries=event.deliveries,
        handlers={name: _record(each) for name, each in _handlers(event).items()},
    )


def format_timestamp(milliseconds: int) -> str:
    """Return a time in UTC, such as `2025-11-22T04:16:40.007Z`, at most the calendar's first or last."""
    milliseconds = max(_EARLIEST, min(_LATEST, milliseconds))
    whole = datetime.fromtimestamp(milliseconds // 1000, UTC)
    return f"{whole:%Y-%m-%dT%H:%M:%S}.{milliseconds % 1000:03d}Z"


def _handler(record: HandlerRecord, disguise: Anonymizer | None) -> dict[str, Any]:
    told = {"state": record.state, "attempts": record.attempts, "reason": record.reason}
    return told if disguise is not None else {**told, "error": record.error}


def _body(body: bytes | None, disguise: Anonymizer | None) -> Any:
    if body is None:
        return None
    if disguise is None:
        return body.decode(errors="replace")
    try:
        return for_machines(disguise.content(read_object(body)))
    except InvalidBody:
        return None


def _read_body(body: str | dict[str, Any] | None, longest: int) -> bytes | None:
    if body is None:
        return None
    raw = body.encode() if isinstance(body, str) else dump_json(body)
    if len(raw) > longest:
        raise UnfitLine(f"body: larger than {longest} bytes (RINGBACK_MAX_BODY)")
    try:
        read_object(raw)
    except InvalidBody as error:
        raise UnfitLine(f"body: {error.reason}") from None
    return raw


def _handlers(event: ExportedEvent) -> Mapping[str, ExportedHandler]:
    """Return the handlers. An unfinished event has at least one, since without any it would count as ignored."""
    if event.state == "open" and not event.handlers:
        return {NOT_BEGUN: ExportedHandler(state="pending")}
    return event.handlers


def _record(handler: ExportedHandler) -> HandlerRecord:
    """Return the record of a handler. One that had not ended is dead here, so that a person decides."""
    if handler.state in ("done", "dead"):
        return HandlerRecord(handler.state, handler.attempts, reason=handler.reason, error=handler.error)
    return HandlerRecord("dead", handler.attempts, reason="imported", error=UNENDED)


def _writable(text: str, name: str) -> str:
    if not text.isprintable():
        raise UnfitLine(f"{name}: only printable characters")
    return text


def _explain(error: ValidationError) -> str:
    """Return the fields and what is wrong with each, never their values."""
    told = error.errors(include_input=False, include_url=False, include_context=False)
    # The name of a handler is a key that the line's writer chose. It is left out where it does not fit.
    return ", ".join(f"{(*each['loc'], 'the line')[0]}: {each['msg']}" for each in told[:3])
