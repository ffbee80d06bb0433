"""What the inbox knows of an event, and of each handler's dealings with it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import orjson

HandlerState = Literal["pending", "waiting", "parked", "done", "dead"]
EventState = Literal["open", "done", "ignored", "dead"]


@dataclass(frozen=True, slots=True)
class Effect:
    """A call of a handler that may have changed something at Telnyx, and the status it was answered with (0: none)."""

    method: str
    path: str
    status: int


@dataclass(frozen=True, slots=True)
class HandlerRecord:
    """How far one handler is with one event; times are milliseconds since 1970.

    `attempts` counts runs that ended in an error of the handler's own. What costs no attempt is waited for:
    `waiting_for` says for what kind of thing, `waiting_since` and `waits` since when and how often in a row,
    `first_waiting` since when anything was waited for after the last attempt. `effects` are the latest ones.
    """

    state: HandlerState = "pending"
    attempts: int = 0
    due: int = 0
    reason: str | None = None
    error: str | None = None
    waiting_for: str | None = None
    waiting_since: int | None = None
    first_waiting: int | None = None
    waits: int = 0
    effects: tuple[Effect, ...] = ()
    ended_at: int | None = None

    @property
    def ended(self) -> bool:
        """Whether this handler will not run again by itself."""
        return self.state in ("done", "dead")

    def to_json(self) -> bytes:
        """The form in which Redis keeps it; what has its default is left out."""
        kept = {name: getattr(self, name) for name in self.__slots__ if getattr(self, name) != _DEFAULTS[name]}
        return orjson.dumps({"state": self.state, **kept})

    @classmethod
    def from_json(cls, text: bytes) -> "HandlerRecord":
        """Read what `to_json` wrote; fields of a newer version are passed over."""
        known = {name: value for name, value in orjson.loads(text).items() if name in _DEFAULTS}
        effects = tuple(Effect(**effect) for effect in known.pop("effects", ()))
        return cls(**known, effects=effects)


_DEFAULTS: dict[str, Any] = {name: getattr(HandlerRecord(), name) for name in HandlerRecord.__slots__}


@dataclass(frozen=True, slots=True)
class EventRecord:
    """The inbox record of one event; times are milliseconds since 1970. `body` is None once it was let go."""

    id: str
    type: str
    state: EventState
    received_at: int
    arrived_by: str
    deliveries: int
    body: bytes | None = field(repr=False)
    handlers: Mapping[str, HandlerRecord]
    ended_at: int | None = None


def parse_record(event_id: str, fields: Mapping[bytes, bytes]) -> EventRecord:
    """Read the hash of an event, whole or after its body was let go of."""
    if b"kept" in fields:
        return _parse_kept(event_id, fields)
    names: list[str] = orjson.loads(fields.get(b"handlers", b"[]"))
    ended_at = fields.get(b"ended_at")
    return EventRecord(
        id=event_id,
        type=fields[b"type"].decode(),
        state=fields[b"state"].decode(),  # type: ignore[arg-type]
        received_at=int(fields[b"received_at"]),
        arrived_by=fields[b"arrived_by"].decode(),
        deliveries=int(fields[b"deliveries"]),
        body=fields.get(b"body"),
        handlers={name: _handler_record(fields.get(f"h:{name}".encode())) for name in names},
        ended_at=int(ended_at) if ended_at else None,
    )


def _parse_kept(event_id: str, fields: Mapping[bytes, bytes]) -> EventRecord:
    """Read what `let_go_bodies` leaves: of each handler its name, its attempts and its reason."""
    outcomes: dict[str, tuple[int, str]] = orjson.loads(fields[b"kept"])
    return EventRecord(
        id=event_id,
        type=fields[b"type"].decode(),
        state=fields[b"state"].decode(),  # type: ignore[arg-type]
        received_at=int(fields[b"received_at"]),
        arrived_by="webhook",
        deliveries=int(fields[b"deliveries"]),
        body=None,
        handlers={
            name: HandlerRecord("done", attempts=attempts, reason=reason or None)
            for name, (attempts, reason) in outcomes.items()
        },
        ended_at=int(fields[b"ended_at"]),
    )


def _handler_record(text: bytes | None) -> HandlerRecord:
    return HandlerRecord() if text is None else HandlerRecord.from_json(text)
