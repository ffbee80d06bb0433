"""Lists of events, as JSON for machines and as a table for people."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

import typer

from service.cli.output import say, say_json
from service.cli.rich_output import console, print_table
from service.security.masking import describe_error, shown_type
from service.store.inbox.handler_records import HandlerRecord
from service.store.inbox.records import EventRecord
from service.store.inbox.transfer import format_timestamp

T = TypeVar("T")
Make = Callable[[EventRecord], T]


@dataclass
class OddRecords:
    """The ids of the records that failed so far."""

    ids: list[str] = field(default_factory=list)

    def each(self, records: Iterable[EventRecord], make: Make[T], instead: Callable[[str, str], T]) -> list[T]:
        """Return `make(record)` of each record. Where that fails, tell so and take `instead(id, reason)`."""
        made = []
        for record in records:
            try:
                made.append(make(record))
            except Exception as error:  # noqa: BLE001 - a record of any kind must not hide the others
                made.append(instead(record.id, self.tell(record.id, error)))
        return made

    def tell(self, event_id: str, error: Exception) -> str:
        """Note that a record failed, say so on standard error, and return why."""
        why = f"cannot be shown ({describe_error(error)}). Please report it"
        self.ids.append(event_id)
        say(f"{event_id}: {why}", err=True)
        return why

    def end(self) -> None:
        """End the command with exit code 1 where a record failed."""
        if self.ids:
            raise typer.Exit(1)


class Row(NamedTuple):
    """The columns of an event in a table for people. Of a record that cannot be shown only two are filled."""

    id: str
    type: str = ""
    state: str = ""
    received: str = ""
    handlers: Sequence[str] = ()


NARROW = 120
"""Characters in a line below which an event's columns become two."""
DEAD_NOTE = (
    "A dead event does not run again. First fix what its error names: the handler, the account or the sender's data."
    " Then ringback dead retry ID. Its history: ringback dead show ID."
)


def show_events(records: Sequence[EventRecord], *, as_json: bool, none: str) -> None:
    """Print events to standard output, or `none` for people if there are none."""
    odd = OddRecords()
    if as_json:
        say_json(odd.each(records, as_object, lambda event_id, why: {"id": event_id, "error": why}))
    elif records:
        _print_table(records, odd)
    else:
        say(none, err=True)
    odd.end()


def as_object(record: EventRecord) -> dict[str, Any]:
    """Return an event as lists for machines show it."""
    return {
        "id": record.id,
        "type": record.type,
        "state": record.state,
        "received_at": format_timestamp(record.received_at),
        "handlers": {
            name: {"state": one.state, "attempts": one.runs_counted, "reason": one.reason, "error": one.error}
            for name, one in record.handlers.items()
        },
    }


def _print_table(records: Sequence[EventRecord], odd: OddRecords) -> None:
    rows = odd.each(records, _row, lambda event_id, why: Row(event_id, handlers=[why]))
    if console().width < NARROW:
        print_table(("id, type, state, received (UTC)", "handlers"), map(_narrow, rows))
    else:
        print_table(("id", "type", "state", "received (UTC)", "handlers"), rows)
    if any(record.state == "dead" for record in records):
        say(DEAD_NOTE, err=True)


def _row(record: EventRecord) -> Row:
    received = format_timestamp(record.received_at)[:19].replace("T", " ")
    handlers = [_in_words(name, handler) for name, handler in record.handlers.items()]
    return Row(record.id, shown_type(record.type), record.state, received, handlers)


def _narrow(row: Row) -> tuple[list[str], Sequence[str]]:
    return [row.id, *([f"  {row.type}", f"  {row.state}, {row.received}"] if row.state else ())], row.handlers


def _in_words(name: str, handler: HandlerRecord) -> str:
    """Return a text such as `sms_fallback waiting after 2 attempts (rate_limit): too many requests`."""
    runs = handler.runs_counted
    attempts = f" after {runs} attempt{'s' if runs > 1 else ''}" if runs else ""
    reason = f" ({handler.reason})" if handler.reason else ""
    return f"{name} {handler.state}{attempts}{reason}" + (f": {handler.error}" if handler.error else "")
