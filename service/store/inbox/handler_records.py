"""The record of a handler of an event, and of its runs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import Any, Literal, get_args, get_origin, get_type_hints

import orjson

from service.security.encryption import Sealer, place_of

HandlerState = Literal["pending", "waiting", "parked", "done", "dead"]
Say = Callable[[str, str], str]
"""Returns other words for a text of a field."""


MOST_RUNS = 40
"""Runs in a record: the first half and the last half of these."""


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One run of a handler, or several in a row that ended alike: from when to when, how, and why.

    `remarks` are further notes for the timeline.
    """

    began: int
    ended: int
    outcome: HandlerState
    reason: str | None = None
    error: str | None = None
    times: int = 1
    remarks: tuple[str, ...] = ()

    def joined(self, later: "RunRecord") -> "RunRecord | None":
        """Return this and the next run as one, if both waited for the same, else None."""
        alike = (self.outcome, self.reason, self.error) == (later.outcome, later.reason, later.error)
        if later.remarks or not alike or self.outcome not in ("waiting", "parked"):
            return None
        return replace(self, ended=later.ended, times=self.times + later.times)

    @classmethod
    def from_told(cls, told: object) -> "RunRecord | None":
        """Read the known fields of a run. Return None if too little can be read."""
        if not isinstance(told, dict):
            return None
        known, remarks = _fitting(told, _RUN_FIELDS), told.get("remarks")
        if not {"began", "ended", "outcome"} <= known.keys() or known["outcome"] not in _STATES:
            return None
        kept = remarks if isinstance(remarks, list) else ()
        return cls(**known, remarks=tuple(each for each in kept if isinstance(each, str)))

    @property
    def has_texts(self) -> bool:
        """Whether it holds texts, which are sealed where there is a key."""
        return self.error is not None or bool(self.remarks)

    def told_by(self, say: "Say") -> "RunRecord":
        """Return this run with its error and its remarks sealed or opened."""
        if not self.has_texts:
            return self
        remarks = tuple(say(each, "remark") for each in self.remarks)
        return replace(self, error=self.error and say(self.error, "run_error"), remarks=remarks)


@dataclass(frozen=True, slots=True)
class HandlerRecord:
    """How far one handler is with one event. Times are milliseconds since 1970.

    `ran` counts all runs, and `attempts` those that ended in an error of the handler's own. A wait costs no
    attempt. `waiting_for` says for what kind of thing, `waiting_since` since when, `waits` how often in a row.
    `first_waiting` is the begin of all waits since the last attempt.
    `blocked_by` names the block whose end sets it free. `runs` is its history. `behind` is the id of the earlier event
    of the same key that it waits for. `has_turn` is 1 once it waited for that and has the turn.
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
    blocked_by: str | None = None
    runs: tuple[RunRecord, ...] = ()
    ended_at: int | None = None
    ran: int = 0
    behind: str | None = None
    has_turn: int = 0

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
        """Return this record with one more run. `ran` is False if a pause kept the handler from running."""
        last = self.runs[-1].joined(run) if self.runs else None
        runs = (*self.runs[:-1], last) if last else (*self.runs, run)
        if len(runs) > MOST_RUNS:
            runs = (*runs[: MOST_RUNS // 2], *runs[-MOST_RUNS // 2 :])
        # Each run comes here, and `replace` takes three times as long.
        values = list(_values(self))
        values[_RUNS], values[_RAN] = runs, self.ran + ran
        return HandlerRecord(*values)

    def sealed(self, sealer: Sealer, event_id: str, handler: str) -> "HandlerRecord":
        """Return this record with its errors and remarks sealed for their places in the record of an event."""
        return self._told_by(lambda text, name: sealer.seal_text(text, _place(event_id, handler, name)))

    def opened(self, sealer: Sealer, event_id: str, handler: str) -> "HandlerRecord":
        """Return this record with its errors and remarks opened."""
        return self._told_by(lambda text, name: sealer.open_text(text, _place(event_id, handler, name)))

    def _told_by(self, say: "Say") -> "HandlerRecord":
        if self.error is None and not any(each.has_texts for each in self.runs):
            return self
        error, runs = self.error and say(self.error, "error"), tuple(each.told_by(say) for each in self.runs)
        return replace(self, error=error, runs=runs)

    def to_json(self) -> bytes:
        """Return the form in which Redis keeps it. Fields with their defaults are left out."""
        kept = {
            name: value
            for name, value, default in zip(_NAMES, _values(self), _DEFAULTS, strict=True)
            if value != default
        }
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


def _types(record: type) -> dict[str, tuple[type, ...]]:
    """Return by name the types that the stored fields of a record may have, without its tuples."""
    hints = {name: hint for name, hint in get_type_hints(record).items() if get_origin(hint) is not tuple}
    plain = {name: str if get_origin(hint) is Literal else hint for name, hint in hints.items()}
    return {name: get_args(hint) or (hint,) for name, hint in plain.items()}


_STATES = frozenset(get_args(HandlerState))
_RUN_FIELDS, _HANDLER_FIELDS = _types(RunRecord), _types(HandlerRecord)


def _fitting(told: Mapping[str, Any], fields: Mapping[str, tuple[type, ...]]) -> dict[str, Any]:
    """Return the fields that are known and of the right type. Lua writes large whole numbers as floats."""
    whole = {name: int(value) if isinstance(value, float) else value for name, value in told.items()}
    return {
        name: whole[name]
        for name, types in fields.items()
        if name in whole and isinstance(whole[name], types) and not isinstance(whole[name], bool)
    }


PENDING = HandlerRecord()
"""The record of a handler that has not run."""
_NAMES = tuple(HandlerRecord.__slots__)
_values = attrgetter(*_NAMES)
_DEFAULTS = _values(PENDING)
_RUNS, _RAN = _NAMES.index("runs"), _NAMES.index("ran")


def _place(event_id: str, handler: str, field_name: str) -> bytes:
    return place_of("event", event_id, f"h:{handler}:{field_name}")
