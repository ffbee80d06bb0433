"""Lists of events, as JSON for machines and as a table for people."""

from collections.abc import Sequence
from typing import Any

from service.cli.odd_records import OddRecords
from service.cli.output import say, say_json
from service.cli.tables import line_width, print_table
from service.security.masking import shown_type
from service.store.inbox.event_export import format_timestamp
from service.store.inbox.records import EventRecord, HandlerRecord

NARROW = 120
"""Characters in a line below which an event's five columns become two."""
DEAD_NOTE = (
    "A dead event does not run again: fix what its error names (the handler, the account or the sender's"
    " data), then ringback dead retry ID. Its history: ringback dead show ID."
)


def show_events(records: Sequence[EventRecord], *, as_json: bool, none: str) -> None:
    """Print events to standard output; where there are none, people are told so in the words of `none`."""
    odd = OddRecords()
    if as_json:
        say_json(odd.each(records, as_object, lambda event_id, why: {"id": event_id, "error": why}))
    elif records:
        _print_table(records, odd)
    else:
        say(none, err=True)
    odd.end()


def as_object(record: EventRecord) -> dict[str, Any]:
    """An event as lists for machines tell of it."""
    return {
        "id": record.id,
        "type": record.type,
        "state": record.state,
        "received_at": format_timestamp(record.received_at),
        "handlers": {
            name: {
                "state": handler.state,
                "attempts": handler.runs_counted,
                "reason": handler.reason,
                "error": handler.error,
            }
            for name, handler in record.handlers.items()
        },
    }


def _print_table(records: Sequence[EventRecord], odd: OddRecords) -> None:

    if line_width() < NARROW:
        print_table(("id, type, state, received (UTC)", "handlers"), odd.each(records, _narrow_row, _odd_narrow_row))
    else:
        print_table(("id", "type", "state", "received (UTC)", "handlers"), odd.each(records, _row, _odd_row))
    if any(record.state == "dead" for record in records):
        say(DEAD_NOTE, err=True)


def _row(record: EventRecord) -> tuple[str, str, str, str, list[str]]:
    received = format_timestamp(record.received_at)[:19].replace("T", " ")
    handlers = [_in_words(name, handler) for name, handler in record.handlers.items()]
    return record.id, shown_type(record.type), record.state, received, handlers


def _odd_row(event_id: str, why: str) -> tuple[str, str, str, str, list[str]]:
    return event_id, "", "", "", [why]


def _odd_narrow_row(event_id: str, why: str) -> tuple[list[str], list[str]]:
    return [event_id], [why]


def _narrow_row(record: EventRecord) -> tuple[list[str], list[str]]:
    event_id, event_type, state, received, handlers = _row(record)
    return [event_id, f"  {event_type}", f"  {state}, {received}"], handlers


def _in_words(name: str, handler: HandlerRecord) -> str:
    """Such as `sms_fallback waiting after 2 attempts (rate_limit): too many requests`."""
    runs = handler.runs_counted
    attempts = f" after {runs} attempt{'s' if runs > 1 else ''}" if runs else ""
    reason = f" ({handler.reason})" if handler.reason else ""
    error = f": {handler.error}" if handler.error else ""
    return f"{name} {handler.state}{attempts}{reason}{error}"
