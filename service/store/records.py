"""What the inbox knows of an event, and of each handler's dealings with it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import orjson

from service.sealing import Sealed, Sealer
from service.signature import SIGNATURE_HEADER, TIMESTAMP_HEADER, Claim

HandlerState = Literal["pending", "waiting", "parked", "done", "dead"]
EventState = Literal["open", "done", "ignored", "dead"]


MOST_RUNS = 40
"""Runs that a record tells of: the first half and the last half of these."""


@dataclass(frozen=True, slots=True)
class Ran:
    """One run of a handler, or several in a row that ended alike: from when to when, how, and why.

    `remarks` are what else is to be told of it.
    """

    began: int
    ended: int
    outcome: HandlerState
    reason: str | None = None
    error: str | None = None
    times: int = 1
    remarks: tuple[str, ...] = ()

    def joined(self, later: "Ran") -> "Ran | None":
        """This and the next run as one line, where both waited for the same; None where they differ."""
        alike = (self.outcome, self.reason, self.error) == (later.outcome, later.reason, later.error)
        if later.remarks:
            return None
        if not alike or self.outcome not in ("waiting", "parked"):
            return None
        return replace(self, ended=later.ended, times=self.times + later.times)

    def told_by(self, say: Callable[[str], str]) -> "Ran":
        """This run with its error and its remarks in other words: sealed, or opened."""
        return replace(self, error=self.error and say(self.error), remarks=tuple(map(say, self.remarks)))


@dataclass(frozen=True, slots=True)
class HandlerRecord:
    """How far one handler is with one event; times are milliseconds since 1970.

    `attempts` counts runs that ended in an error of the handler's own. What costs no attempt is waited for:
    `waiting_for` says for what kind of thing, `waiting_since` and `waits` since when and how often in a row,
    `first_waiting` since when anything was waited for after the last attempt. `held_by` names the cause outside the
    event whose end sets it free. `runs` is its history.
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
    held_by: str | None = None
    runs: tuple[Ran, ...] = ()
    ended_at: int | None = None

    @property
    def ended(self) -> bool:
        """Whether this handler will not run again by itself."""
        return self.state in ("done", "dead")

    def after(self, run: Ran) -> "HandlerRecord":
        """This record, with one more run in its history."""
        last = self.runs[-1].joined(run) if self.runs else None
        runs = (*self.runs[:-1], last) if last else (*self.runs, run)
        if len(runs) > MOST_RUNS:
            runs = (*runs[: MOST_RUNS // 2], *runs[-MOST_RUNS // 2 :])
        return replace(self, runs=runs)

    def told_by(self, say: Callable[[str], str]) -> "HandlerRecord":
        """This record with its errors and remarks in other words: sealed, or opened."""
        if self.error is None and not self.runs:
            return self
        return replace(self, error=self.error and say(self.error), runs=tuple(each.told_by(say) for each in self.runs))

    def to_json(self) -> bytes:
        """The form in which Redis keeps it; what has its default is left out."""
        kept = {name: getattr(self, name) for name in self.__slots__ if getattr(self, name) != _DEFAULTS[name]}
        return orjson.dumps({"state": self.state, **kept})

    @classmethod
    def from_json(cls, text: bytes) -> "HandlerRecord":
        """Read what `to_json` wrote; fields of a newer version are passed over."""
        known = {name: value for name, value in orjson.loads(text).items() if name in _DEFAULTS}
        runs = tuple(Ran(**{**run, "remarks": tuple(run["remarks"])}) for run in known.pop("runs", ()))
        return cls(**known, runs=runs)


_DEFAULTS: dict[str, Any] = {name: getattr(HandlerRecord(), name) for name in HandlerRecord.__slots__}


@dataclass(frozen=True, slots=True)
class Note:
    """Something that was done to an event: when (ms), what, and about which handlers or worker."""

    at: int
    what: str
    about: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Delivery:
    """One more delivery of an event that was known: when (ms), and by which way."""

    at: int
    arrived_by: str


@dataclass(frozen=True, slots=True)
class EventRecord:
    """The inbox record of one event; times are milliseconds since 1970. `body` is None once it was let go.

    It is None too where none of our keys opens it; then `sealed_under` names the key that does.

    `signature_headers` are those that came with this very body, where they were kept: while events are forwarded.
    `due` is when handlers could see it first. `again` holds the first further deliveries, `notes` the latest of what
    was done to it from outside. Until `leased_until` a worker has it. `imported` says that its past lies elsewhere.
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


def written_arrival(arrived_by: str, claim: Claim | None) -> str:
    """How an event came and, where they are kept, its timestamp and signature: one field, let go of with the body."""
    if claim is None:
        return arrived_by
    return f"{arrived_by} {claim.headers[TIMESTAMP_HEADER]} {claim.headers[SIGNATURE_HEADER]}"


def parse_record(event_id: str, fields: Mapping[bytes, bytes], sealer: Sealer) -> EventRecord:
    """Read the hash of an event, whole or after its body was let go of, and open what is sealed."""
    if b"kept" in fields:
        return _parse_kept(event_id, fields)
    names: list[str] = orjson.loads(fields.get(b"handlers", b"[]"))
    ended_at = fields.get(b"ended_at")
    arrived_by, *signed = fields[b"arrived_by"].decode().split()
    body, sealed_under = _opened(fields.get(b"body"), sealer)
    return EventRecord(
        id=event_id,
        type=fields[b"type"].decode(),
        state=fields[b"state"].decode(),  # type: ignore[arg-type]
        received_at=int(fields[b"received_at"]),
        arrived_by=arrived_by,
        deliveries=int(fields[b"deliveries"]),
        body=body,
        handlers={name: _handler_record(fields.get(f"h:{name}".encode()), sealer) for name in names},
        ended_at=int(ended_at) if ended_at else None,
        signature_headers=dict(zip((TIMESTAMP_HEADER, SIGNATURE_HEADER), signed, strict=False)) if signed else None,
        due=int(fields.get(b"due", 0)) or None,
        again=tuple(_delivery(each) for each in fields.get(b"again", b"").split(b";") if each),
        notes=tuple(Note(**orjson.loads(line)) for line in fields.get(b"notes", b"").splitlines()),
        leased_until=int(fields.get(b"lease_until", 0)) or None,
        imported=b"imported" in fields,
        sealed_under=sealed_under,
    )


def _delivery(text: bytes) -> Delivery:
    at, _, arrived_by = text.decode().partition(" ")
    return Delivery(int(at), arrived_by)


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


def _handler_record(text: bytes | None, sealer: Sealer) -> HandlerRecord:
    return HandlerRecord() if text is None else HandlerRecord.from_json(text).told_by(sealer.open_text)


def _opened(stored: bytes | None, sealer: Sealer) -> tuple[bytes | None, str | None]:
    """A body, or the name of the key that is missing."""
    try:
        return (None if stored is None else sealer.open(stored)), None
    except Sealed as missing:
        return None, missing.key
