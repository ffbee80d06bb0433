"""The inbox record of an event."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal, get_args

import orjson

from service.security.encryption import MissingEncryptionKey, SealDamaged, Sealer, is_sealed, place_of
from service.security.telnyx_signature import SIGNATURE_HEADER, TIMESTAMP_HEADER, SignatureHeaders
from service.store.inbox.handler_records import PENDING, HandlerRecord

EventState = Literal["open", "done", "ignored", "dead"]
_EVENT_STATES = frozenset(get_args(EventState))


@dataclass(frozen=True, slots=True)
class Note:
    """Something that was done to an event: when (ms), what, about which handlers or worker, and by which operator."""

    at: int
    what: str
    about: Mapping[str, str] = field(default_factory=dict)
    by: str | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """One more delivery of an event that was known: when (ms), and by which way."""

    at: int
    arrived_by: str


@dataclass(frozen=True, slots=True)
class EventRecord:
    """The inbox record of one event. Times are milliseconds since 1970. `body` is None once it was pruned.

    It is None too where none of our keys opens it. Then `sealed_under` names the missing key, or `damaged` holds
    `body`. `unsealed` says that it is stored in the clear although there is a key.

    `signature_headers` are those that came with this very body, where they were kept: while events are forwarded.
    `due` is when handlers could see it first. `again` holds the first further deliveries, `notes` the latest of what
    was done to it from outside. Until `leased_until` a worker has it. `imported` says that its past lies elsewhere.
    `damaged` names fields that cannot be read, and unreadable handlers.
    `blocked` holds, by handler, where it blocked the event loop of a worker until the lease ended. `trace` is the
    `traceparent` of its trace, and behind a space the `tracestate`.
    """

    id: str
    type: str
    state: EventState
    received_at: int
    arrived_by: str
    deliveries: int
    body: bytes | None = field(repr=False)
    handlers: Mapping[str, HandlerRecord]
    ended_at: int | None = None
    signature_headers: Mapping[str, str] | None = field(default=None, repr=False)
    due: int | None = None
    again: tuple[Delivery, ...] = ()
    notes: tuple[Note, ...] = ()
    leased_until: int | None = None
    imported: bool = False
    sealed_under: str | None = None
    unsealed: bool = False
    damaged: frozenset[str] = frozenset()
    blocked: Mapping[str, str] = field(default_factory=dict)
    trace: str | None = None


def encode_source(arrived_by: str, signature: SignatureHeaders | None) -> str:
    """Return the way of arrival with the timestamp and signature that are kept: one field, pruned with the body."""
    if signature is None:
        return arrived_by
    return f"{arrived_by} {signature.headers[TIMESTAMP_HEADER]} {signature.headers[SIGNATURE_HEADER]}"


def parse_record(event_id: str, fields: Mapping[bytes, bytes], sealer: Sealer) -> EventRecord:
    """Read the hash of an event, whole or after its body was pruned, and open what is sealed."""
    reading = _Reading(fields)
    outcomes = reading.outcomes() if b"pruned" in fields else None
    arrived_by, *signed = (reading.text(b"arrived_by", "") if b"arrived_by" in fields else "").split() or ["webhook"]
    body, sealed_under = reading.body(event_id, sealer)
    handlers = reading.handlers(sealer, event_id) if outcomes is None else outcomes
    state = reading.text(b"state", "")
    if state not in _EVENT_STATES:
        reading.damaged.add("state")
        state = "open"
    return EventRecord(
        id=event_id,
        type=reading.text(b"type", "ringback.unreadable_record"),
        state=state,  # type: ignore[arg-type]
        received_at=reading.number(b"received_at") or 0,
        arrived_by=arrived_by,
        deliveries=(reading.number(b"deliveries") or 0) if b"deliveries" in fields else 1,
        body=body,
        handlers=handlers,
        ended_at=reading.number(b"ended_at") if b"ended_at" in fields else None,
        signature_headers=dict(zip((TIMESTAMP_HEADER, SIGNATURE_HEADER), signed, strict=False)) if signed else None,
        due=reading.due(),
        again=tuple(filter(None, map(_delivery, fields[b"again"].split(b";")))) if b"again" in fields else (),
        notes=tuple(filter(None, map(_note, fields[b"notes"].splitlines()))) if b"notes" in fields else (),
        leased_until=(reading.number(b"lease_until") or None) if b"lease_until" in fields else None,
        imported=b"imported" in fields,
        sealed_under=sealed_under,
        unsealed=body is not None and sealer.active and not is_sealed(fields[b"body"]),
        damaged=frozenset(reading.damaged),
        blocked=_object(fields[b"blocked"]) if b"blocked" in fields else {},
        trace=fields[b"trace"].decode(errors="replace") if b"trace" in fields else None,
    )


def whole_number(stored: bytes | None) -> int | None:
    """Return the whole number that is stored, or None where there is none, or something else."""
    try:
        return None if stored is None else int(stored)
    except ValueError:
        return None


@dataclass
class _Reading:
    """Reads the fields of a hash one by one, and notes those that it cannot read."""

    fields: Mapping[bytes, bytes]
    damaged: set[str] = field(default_factory=set)

    def text(self, name: bytes, default: str) -> str:
        try:
            return self.fields[name].decode()
        except (KeyError, UnicodeDecodeError):
            self.damaged.add(name.decode())
            return default

    def number(self, name: bytes) -> int | None:
        try:
            return int(self.fields[name])
        except (KeyError, ValueError):
            self.damaged.add(name.decode())
            return None

    def due(self) -> int | None:
        """Return whole milliseconds: an event in order comes due at a fraction of one."""
        try:
            return int(float(self.fields.get(b"due", b"0"))) or None
        except (ValueError, OverflowError):
            self.damaged.add("due")
            return None

    def body(self, event_id: str, sealer: Sealer) -> tuple[bytes | None, str | None]:
        """Return the body, or the name of the key that is missing."""
        stored = self.fields.get(b"body")
        if stored is None:
            return None, None
        try:
            return sealer.open(
                stored, self._place(event_id) if is_sealed(stored) or b"identity" in self.fields else b""
            ), None
        except MissingEncryptionKey as missing:
            return None, missing.key
        except SealDamaged:
            self.damaged.add("body")
            return None, None

    def _place(self, event_id: str) -> bytes:
        return _checked_place(event_id, self.fields.get(b"identity", event_id.encode()).decode(errors="replace"))

    def handlers(self, sealer: Sealer, event_id: str) -> dict[str, HandlerRecord]:
        try:
            names = _names_in(self.fields.get(b"handlers", b"[]"))
        except ValueError:
            self.damaged.add("handlers")
            names = tuple(each[2:].decode(errors="replace") for each in self.fields if each.startswith(b"h:"))
        return {name: self._handler(name, sealer, event_id) for name in names}

    def _handler(self, name: str, sealer: Sealer, event_id: str) -> HandlerRecord:
        text = self.fields.get(f"h:{name}".encode())
        try:
            return PENDING if text is None else HandlerRecord.from_json(text).opened(sealer, event_id, name)
        except ValueError:
            self.damaged.add(name)
            return HandlerRecord("dead", reason=UNREADABLE, error=_DAMAGED)

    def outcomes(self) -> dict[str, HandlerRecord]:
        """Read the remains after `prune_bodies`: of each handler its name, its attempts and its reason."""
        try:
            told = orjson.loads(self.fields[b"pruned"])
            return {
                name: HandlerRecord("done", attempts=int(attempts), reason=str(reason) or None)
                for name, (attempts, reason, *_) in told.items()
            }
        except (ValueError, TypeError, AttributeError):
            self.damaged.add("pruned")
            return {}


@lru_cache(maxsize=100)
def _names_in(stored: bytes) -> tuple[str, ...]:
    """Read a list of handlers, which events of one type have in common.

    Raises:
        ValueError: it is no list of names.
    """
    names = orjson.loads(stored)
    # Lua writes an empty list as an object.
    if not isinstance(names, list | dict) or not all(isinstance(each, str) for each in names):
        raise ValueError("it is no list of names")
    return tuple(names)


UNREADABLE = "unreadable"
"""The reason of a handler that ended because its record is damaged."""
_DAMAGED = "what Redis keeps of this handler is damaged: look at the event, then retry or drop it"


def _delivery(text: bytes) -> Delivery | None:
    at, arrived_by, *_ = [*text.decode(errors="replace").split(), "", ""]
    number = whole_number(at.encode())
    return None if number is None else Delivery(number, arrived_by)


def _note(line: bytes) -> Note | None:
    told = _object(line)
    at, what, about, by = (told.get(name) for name in ("at", "what", "about", "by"))
    if not isinstance(at, int | float) or not isinstance(what, str):
        return None
    words = {name: each for name, each in about.items() if isinstance(each, str)} if isinstance(about, dict) else {}
    return Note(int(at), what, words, by if isinstance(by, str) else None)


def _object(text: bytes) -> dict[str, Any]:
    """Return the JSON object in a stored text, empty if it is none."""
    try:
        told = orjson.loads(text)
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}


def body_place(identity: str) -> bytes:
    """Return the place of a body: the identity that its event was delivered under."""
    return place_of("event", identity, "body")


def _checked_place(event_id: str, identity: str) -> bytes:
    """Return the place of a body, if its event can bear this id (see accept.lua). Else it belongs to another event."""
    rest = event_id.removeprefix(identity)
    if event_id.startswith(identity) and (not rest or rest[0] == "~" or (rest[0] == "." and rest[1:].isdecimal())):
        return body_place(identity)
    raise SealDamaged
