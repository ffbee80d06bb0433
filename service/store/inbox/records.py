"""The inbox record of an event, and of each of its handlers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

import orjson

from service.security.encryption import MissingEncryptionKey, SealDamaged, Sealer, is_sealed, place_of
from service.security.telnyx_signature import SIGNATURE_HEADER, TIMESTAMP_HEADER, SignatureHeaders

HandlerState = Literal["pending", "waiting", "parked", "done", "dead"]
EventState = Literal["open", "done", "ignored", "dead"]
Say = Callable[[str, str], str]
"""Returns other words for a text of a field."""


MOST_RUNS = 40
"""Runs that a record tells of: the first half and the last half of these."""


@dataclass(frozen=True, slots=True)
class RunRecord:
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

    def joined(self, later: "RunRecord") -> "RunRecord | None":
        """This and the next run as one line, where both waited for the same; None where they differ."""
        alike = (self.outcome, self.reason, self.error) == (later.outcome, later.reason, later.error)
        if later.remarks:
            return None
        if not alike or self.outcome not in ("waiting", "parked"):
            return None
        return replace(self, ended=later.ended, times=self.times + later.times)

    @classmethod
    def from_told(cls, told: object) -> "RunRecord | None":
        """Read a run without the fields that this version does not know; None where too little can be read."""
        if not isinstance(told, dict):
            return None
        known, remarks = _fitting(told, _RUN_FIELDS), told.get("remarks")
        if not {"began", "ended", "outcome"} <= known.keys() or known["outcome"] not in _STATES:
            return None
        kept = remarks if isinstance(remarks, list) else ()
        return cls(**known, remarks=tuple(each for each in kept if isinstance(each, str)))

    def told_by(self, say: "Say") -> "RunRecord":
        """This run with its error and its remarks in other words: sealed, or opened."""
        remarks = tuple(say(each, "remark") for each in self.remarks)
        return replace(self, error=self.error and say(self.error, "run_error"), remarks=remarks)


@dataclass(frozen=True, slots=True)
class HandlerRecord:
    """How far one handler is with one event; times are milliseconds since 1970.

    `ran` counts all runs, and `attempts` those that ended in an error of the handler's own. A wait costs no
    attempt: `waiting_for` says for what kind of thing, `waiting_since` and `waits` since
    when and how often in a row, `first_waiting` since when anything was waited for after the last attempt.
    `held_by` names the cause outside the event whose end sets it free. `runs` is its history.
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
    runs: tuple[RunRecord, ...] = ()
    ended_at: int | None = None
    ran: int = 0

    @property
    def runs_counted(self) -> int:
        """The number of runs, as far as is known: an imported record has its attempts alone."""
        return max(self.ran, self.attempts)

    @property
    def ended(self) -> bool:
        """Whether this handler has ended."""
        return self.state in ("done", "dead")

    @property
    def is_discarded(self) -> bool:
        """Whether the handler found nothing to do, and said why."""
        return self.state == "done" and self.reason is not None

    def after(self, run: RunRecord, *, ran: bool = True) -> "HandlerRecord":
        """This record, with one more run in its history; `ran` is False where a pause kept the handler from running."""
        last = self.runs[-1].joined(run) if self.runs else None
        runs = (*self.runs[:-1], last) if last else (*self.runs, run)
        if len(runs) > MOST_RUNS:
            runs = (*runs[: MOST_RUNS // 2], *runs[-MOST_RUNS // 2 :])
        return replace(self, runs=runs, ran=self.ran + ran)

    def sealed(self, sealer: Sealer, event_id: str, handler: str) -> "HandlerRecord":
        """Return this record with its errors and remarks sealed for their places in the record of an event."""
        return self._told_by(lambda text, name: sealer.seal_text(text, _place(event_id, handler, name)))

    def opened(self, sealer: Sealer, event_id: str, handler: str) -> "HandlerRecord":
        """Return this record with its errors and remarks opened."""
        return self._told_by(lambda text, name: sealer.open_text(text, _place(event_id, handler, name)))

    def _told_by(self, say: "Say") -> "HandlerRecord":
        if self.error is None and not self.runs:
            return self
        error = self.error and say(self.error, "error")
        return replace(self, error=error, runs=tuple(each.told_by(say) for each in self.runs))

    def to_json(self) -> bytes:
        """Return the form in which Redis keeps it; fields with their defaults are left out."""
        kept = {name: getattr(self, name) for name in self.__slots__ if getattr(self, name) != _DEFAULTS[name]}
        return orjson.dumps({"state": self.state, **kept})

    @classmethod
    def from_json(cls, text: bytes) -> "HandlerRecord":
        """Read what `to_json` wrote, without fields of a newer version and without what cannot be read of its history.

        Raises:
            ValueError: what decides about its next run cannot be read.
        """
        told = orjson.loads(text)
        if not isinstance(told, dict) or told.get("state") not in _STATES:
            raise ValueError("it is no record of a handler")
        known = _fitting(told, _HANDLER_FIELDS)
        if any(name in told and name not in known for name in ("attempts", "due")):
            raise ValueError("it is no record of a handler")
        runs = told.get("runs")
        ran = map(RunRecord.from_told, runs if isinstance(runs, list) else ())
        return cls(**known, runs=tuple(run for run in ran if run is not None))


_STATES = frozenset(get_args(HandlerState))
_WORDS, _WHOLE = (str, type(None)), (int, type(None))
_RUN_FIELDS = {"began": (int,), "ended": (int,), "outcome": (str,), "reason": _WORDS, "error": _WORDS, "times": (int,)}
_HANDLER_FIELDS = {
    "state": (str,),
    "attempts": (int,),
    "due": (int,),
    "reason": _WORDS,
    "error": _WORDS,
    "waiting_for": _WORDS,
    "waiting_since": _WHOLE,
    "first_waiting": _WHOLE,
    "waits": (int,),
    "held_by": _WORDS,
    "ran": (int,),
    "ended_at": _WHOLE,
}


def _fitting(told: Mapping[str, Any], fields: Mapping[str, tuple[type, ...]]) -> dict[str, Any]:
    """Return the fields that are known and of the right type; Lua writes large whole numbers as floats."""
    whole = {name: int(value) if isinstance(value, float) else value for name, value in told.items()}
    return {
        name: whole[name]
        for name, types in fields.items()
        if name in whole and isinstance(whole[name], types) and not isinstance(whole[name], bool)
    }


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

    It is None too where none of our keys opens it: then `sealed_under` names the key that does, or `damaged` holds
    `body`. `unsealed` says that it is stored in the clear although there is a key.

    `signature_headers` are those that came with this very body, where they were kept: while events are forwarded.
    `due` is when handlers could see it first. `again` holds the first further deliveries, `notes` the latest of what
    was done to it from outside. Until `leased_until` a worker has it. `imported` says that its past lies elsewhere.
    `damaged` names fields that cannot be read, and unreadable handlers.
    `blocked` holds, by handler, where it blocked the event loop of a worker until the lease ended.
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


def encode_source(arrived_by: str, claim: SignatureHeaders | None) -> str:
    """How an event came and, where they are kept, its timestamp and signature: one field, let go of with the body."""
    if claim is None:
        return arrived_by
    return f"{arrived_by} {claim.headers[TIMESTAMP_HEADER]} {claim.headers[SIGNATURE_HEADER]}"


def _blocked(text: bytes) -> Mapping[str, str]:
    try:
        known = orjson.loads(text)
    except orjson.JSONDecodeError:
        return {}
    return known if isinstance(known, dict) else {}


def parse_record(event_id: str, fields: Mapping[bytes, bytes], sealer: Sealer) -> EventRecord:
    """Read the hash of an event, whole or after its body was let go of, and open what is sealed."""
    reading = _Reading(fields)
    outcomes = reading.outcomes() if b"pruned" in fields else None
    arrived_by, *signed = reading.text(b"arrived_by", "webhook").split() or ["webhook"]
    body, sealed_under = reading.body(event_id, sealer)
    handlers = reading.handlers(sealer, event_id) if outcomes is None else outcomes
    state = reading.text(b"state", "")
    if state not in get_args(EventState):
        reading.damaged.add("state")
        state = "open"
    return EventRecord(
        id=event_id,
        type=reading.text(b"type", "ringback.unreadable_record"),
        state=state,  # type: ignore[arg-type]
        received_at=reading.number(b"received_at") or 0,
        arrived_by=arrived_by,
        deliveries=reading.number(b"deliveries") or 0,
        body=body,
        handlers=handlers,
        ended_at=reading.number(b"ended_at", required=False),
        signature_headers=dict(zip((TIMESTAMP_HEADER, SIGNATURE_HEADER), signed, strict=False)) if signed else None,
        due=reading.number(b"due", required=False) or None,
        again=tuple(filter(None, map(_delivery, fields.get(b"again", b"").split(b";")))),
        notes=tuple(filter(None, map(_note, fields.get(b"notes", b"").splitlines()))),
        leased_until=reading.number(b"lease_until", required=False) or None,
        imported=b"imported" in fields,
        sealed_under=sealed_under,
        unsealed=body is not None and sealer.active and not is_sealed(fields[b"body"]),
        damaged=frozenset(reading.damaged),
        blocked=_blocked(fields.get(b"blocked", b"{}")),
    )


def whole_number(stored: bytes | None) -> int | None:
    """Return the whole number that is stored; None where there is none, or something else."""
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

    def number(self, name: bytes, *, required: bool = True) -> int | None:
        number = whole_number(self.fields.get(name))
        if number is None and (required or name in self.fields):
            self.damaged.add(name.decode())
        return number

    def body(self, event_id: str, sealer: Sealer) -> tuple[bytes | None, str | None]:
        """Return the body, or the name of the key that is missing."""
        stored = self.fields.get(b"body")
        if stored is None:
            return None, None
        identity = self.fields.get(b"identity", event_id.encode()).decode(errors="replace")
        try:
            return sealer.open(stored, _checked_place(event_id, identity)), None
        except MissingEncryptionKey as missing:
            return None, missing.key
        except SealDamaged:
            self.damaged.add("body")
            return None, None

    def handlers(self, sealer: Sealer, event_id: str) -> dict[str, HandlerRecord]:
        try:
            names = orjson.loads(self.fields.get(b"handlers", b"[]"))
        except ValueError:
            names = None
        if not isinstance(names, list | dict) or not all(isinstance(each, str) for each in names):
            self.damaged.add("handlers")
            names = [each[2:].decode(errors="replace") for each in self.fields if each.startswith(b"h:")]
        return {name: self._handler(name, sealer, event_id) for name in names}

    def _handler(self, name: str, sealer: Sealer, event_id: str) -> HandlerRecord:
        text = self.fields.get(f"h:{name}".encode())
        try:
            return HandlerRecord() if text is None else HandlerRecord.from_json(text).opened(sealer, event_id, name)
        except ValueError:
            self.damaged.add(name)
            return HandlerRecord("dead", reason=UNREADABLE, error=_DAMAGED)

    def outcomes(self) -> dict[str, HandlerRecord]:
        """Read the remains after `prune_bodies`: of each handler its name, its attempts and its reason."""
        try:
            told = orjson.loads(self.fields[b"pruned"])
            return {
                name: HandlerRecord("done", attempts=int(attempts), reason=str(reason) or None)
                for name, (attempts, reason) in told.items()
            }
        except (ValueError, TypeError, AttributeError):
            self.damaged.add("pruned")
            return {}


UNREADABLE = "unreadable"
"""The reason of a handler that ended because its record is damaged."""
_DAMAGED = "what Redis keeps of this handler is damaged: look at the event, then retry or drop it"


def _delivery(text: bytes) -> Delivery | None:
    at, _, arrived_by = text.decode(errors="replace").partition(" ")
    number = whole_number(at.encode())
    return None if number is None else Delivery(number, arrived_by)


def _note(line: bytes) -> Note | None:
    try:
        told = orjson.loads(line)
    except ValueError:
        return None
    if (
        not isinstance(told, dict)
        or not isinstance(told.get("at"), int | float)
        or not isinstance(told.get("what"), str)
    ):
        return None
    about = told.get("about")
    words = {name: each for name, each in about.items() if isinstance(each, str)} if isinstance(about, dict) else {}
    return Note(int(told["at"]), told["what"], words)


def body_place(identity: str) -> bytes:
    """Return the place of a body: the identity that its event was delivered under."""
    return place_of("event", identity, "body")


def _place(event_id: str, handler: str, field_name: str) -> bytes:
    return place_of("event", event_id, f"h:{handler}:{field_name}")


def _checked_place(event_id: str, identity: str) -> bytes:
    """Return the place of a body, if its event can bear this id (see accept.lua); else it belongs to another event."""
    rest = event_id.removeprefix(identity)
    if event_id.startswith(identity) and (not rest or rest[0] == "~" or (rest[0] == "." and rest[1:].isdecimal())):
        return body_place(identity)
    raise SealDamaged
