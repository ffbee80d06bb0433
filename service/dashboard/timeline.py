"""The timeline of an event: everything that is known to have happened to it, in the order of time.

Pure: the record, its effects and the time are arguments. Stored numbers are already masked, and texts are left out.
"""

import tomllib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Literal

from service.events import InvalidBody, read_event
from service.events.event import parse_json
from service.messages.sms_text import segments
from service.security.masking import mask_number
from service.store.effects.ledger import Entry, Sent
from service.store.inbox.handler_records import MOST_RUNS, HandlerRecord, RunRecord
from service.store.inbox.records import EventRecord, Note

Kind = Literal["happened", "accepted", "delivered", "run", "effect", "note", "wait", "ended"]

_WORDS = tomllib.loads((files(__package__) / "timeline.toml").read_text("utf-8"))


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that happened, `at` milliseconds since 1970. It may have begun earlier, and belong to a handler."""

    at: int
    kind: Kind
    text: str
    handler: str | None = None
    began: int | None = None


def build(record: EventRecord, effects: Sequence[Entry], now: int) -> list[Line]:
    """Return the timeline at `now` (milliseconds), the earliest first."""
    lines = [
        *_arrival(record),
        *(_noted(note) for note in record.notes),
        *(line for name, handler in record.handlers.items() for line in _of_handler(name, handler, record.ended_at)),
        *(line for entry in effects for line in _of_effect(record, entry, now)),
        *_standing(record, now),
    ]
    return sorted(lines, key=lambda line: line.at)


def in_doubt(entry: Entry) -> bool:
    """Return whether nobody knows if an effect happened. One that Telnyx deferred did not."""
    return entry.state == "started" and entry.unconfirmed > 0


def _arrival(record: EventRecord) -> Iterator[Line]:
    happened = _occurred_at(record)
    if happened is not None:
        yield Line(happened, "happened", "occurred (per Telnyx)")
    how = _WORDS["arrived"].get(record.arrived_by, f"arrived by {record.arrived_by}")
    yield Line(record.received_at, "accepted", how)
    for again in record.again:
        yield Line(again.at, "delivered", f"delivered once more, by {again.arrived_by}: a duplicate")
    untold = record.deliveries - 1 - len(record.again)
    if untold > 0:
        last = record.again[-1].at if record.again else record.received_at
        yield Line(last, "delivered", f"delivered {untold} more times, without details")


def _occurred_at(record: EventRecord) -> int | None:
    if record.body is None:
        return None
    try:
        at = read_event(record.id, record.type, record.body, record.arrived_by).occurred_at
    except InvalidBody:
        return None
    return None if at is None else int(at.timestamp() * 1000)


def _noted(note: Note) -> Line:
    reasons = (f"{name} ({reason})" if reason else name for name, reason in sorted(note.about.items()))
    words = _WORDS["notes"].get(note.what, note.what)
    handlers, by = ", ".join(reasons) or "all handlers", note.by or "an operator"
    about = {"worker": "", "block": "", **note.about, "handlers": handlers, "by": by}
    return Line(note.at, "note", words.format_map(about))


def _of_handler(name: str, handler: HandlerRecord, event_ended_at: int | None) -> Iterator[Line]:
    for number, run in enumerate(handler.runs):
        yield Line(run.ended, "run", _in_words(run), name, run.began)
        if len(handler.runs) == MOST_RUNS and number == MOST_RUNS // 2 - 1:
            yield Line(run.ended, "run", "ran more often, and only the first and the last runs are kept", name)
    told = bool(handler.runs) and handler.runs[-1].outcome == handler.state
    ended_at = handler.ended_at or event_ended_at
    if handler.ended and ended_at is not None and not told:
        yield Line(ended_at, "run", _ending(handler.state, handler.reason, handler.error), name)


def _in_words(run: RunRecord) -> str:
    times = f"ran {run.times} times, each" if run.times > 1 else "ran:"
    remarks = "".join(f"; {remark}" for remark in run.remarks)
    return f"{times} {_ending(run.outcome, run.reason, run.error)}, after {_span(run.ended - run.began)}{remarks}"


def _ending(state: str, reason: str | None, error: str | None) -> str:
    word = {"waiting": "will retry", "pending": "not begun"}.get(state, state)
    return f"{word}{f' ({reason})' if reason else ''}{f': {error}' if error else ''}"


def _of_effect(record: EventRecord, entry: Entry, now: int) -> Iterator[Line]:
    what = f"{entry.method} {entry.path}{f' for {entry.recipient}' if entry.recipient else ''}".strip() or "an effect"
    if entry.event_id != record.id:
        what += f" (begun by event {entry.event_id})"

    def line(at: int, text: str, began: int | None = None) -> Line:
        return Line(at, "effect", text, entry.handler or None, began)

    if entry.state == "would":
        yield line(entry.first_at, f"would {what}{_would_say(entry)}")
        return
    for sent in entry.sent:
        yield line(sent.answered_at, f"{what}: {_answered(entry, sent)}", sent.at)
    if in_doubt(entry) and not entry.sent and _is_leased(record, now):
        yield line(entry.last_at, f"{what}: no answer yet")
    elif in_doubt(entry):
        why = f" ({entry.why})" if entry.why else ""
        unknown = f"unconfirmed requests: {entry.unconfirmed}"
        yield line(entry.last_at, f"{what}: nobody knows whether it took effect{why}, {unknown}")
    elif entry.state == "started":
        yield line(entry.last_at, f"{what}: it has not happened, and the same is to be sent again")
    elif entry.state == "withdrawn" and not entry.sent:
        yield line(entry.last_at, f"{what}: intended, and not sent{f' ({entry.why})' if entry.why else ''}")
    elif entry.state == "resolved":
        yield line(entry.answered_at or entry.last_at, f"{what}: took effect, says an operator")


def _answered(entry: Entry, sent: Sent) -> str:
    if sent.status == 0:
        return f"no answer within {_span(sent.took)}"
    why = f": {entry.why}" if entry.why and sent == entry.sent[-1] and sent.status >= 400 else ""
    return f"answered {sent.status} after {_span(sent.took)}{why}"


def _would_say(entry: Entry) -> str:
    """Describe a call that a dry run recorded: the length of its text, and its sender."""
    try:
        fields = parse_json(entry.body or b"")
    except ValueError:
        return ""
    if not isinstance(fields, dict):
        return ""
    text, sender = fields.get("text"), fields.get("from")
    said = f", a text of {len(text)} characters in {segments(text)} segments" if isinstance(text, str) else ""
    return said + (f", from {mask_number(sender)}" if isinstance(sender, str) else "")


def _standing(record: EventRecord, now: int) -> Iterator[Line]:
    """Yield where an open event is: with a worker, or waiting for something until a time. Or yield its end."""
    if record.state != "open":
        if record.ended_at is not None:
            # Redis's clock measures it. A worker's estimate of that clock, for the end of a run, may be ahead.
            runs = (run.ended for handler in record.handlers.values() for run in handler.runs)
            yield Line(max((record.ended_at, *runs)), "ended", record.state)
        return
    if record.leased_until is not None and _is_leased(record, now):
        yield Line(now, "wait", f"leased, {_span(record.leased_until - now)} left")
        return
    if not record.handlers:
        due = record.due or now
        yield Line(max(due, now), "wait", f"will run in {_span(due - now)}" if due > now else "waits for a worker")
    for name, handler in record.handlers.items():
        if not handler.ended:
            yield Line(max(handler.due, now), "wait", _waiting(handler, now), name)


def _is_leased(record: EventRecord, now: int) -> bool:
    return record.state == "open" and record.leased_until is not None and record.leased_until > now


def _waiting(handler: HandlerRecord, now: int) -> str:
    reason = f" ({handler.reason})" if handler.reason else ""
    if handler.behind:
        return f"waits for the end of the earlier event {handler.behind}{reason}"
    if handler.blocked_by:
        return f"held by {handler.blocked_by}{reason}"
    if handler.due > now:
        return f"will retry in {_span(handler.due - now)}{reason}"
    return f"is due{reason}"


def _span(milliseconds: int) -> str:
    """Write a duration as people say it: `12 ms`, `3.4 s`, `5 min 2 s`, `7 h 12 min`, `2 d 3 h`."""
    seconds = milliseconds / 1000
    if milliseconds < 1000:
        return f"{milliseconds} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    for unit, size, below, smaller in (("min", 60, "s", 1), ("h", 3600, "min", 60)):
        if seconds < size * (60 if unit == "min" else 24):
            return f"{seconds // size:.0f} {unit} {seconds % size // smaller:.0f} {below}"
    return f"{seconds // 86400:.0f} d {seconds % 86400 // 3600:.0f} h"


def since(lines: Iterable[Line], at: int) -> list[Line]:
    """Return the lines at this time (ms) or later that are over."""
    return [line for line in lines if line.at >= at and line.kind not in ("wait", "happened")]
