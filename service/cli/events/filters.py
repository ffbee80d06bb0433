"""The options that say which events are meant; the same in every command that takes them."""

import re
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated

import typer

from service import clock
from service.cli.numbers import searched_number
from service.cli.options import takes_options_of
from service.security.number_digests import digests_of
from service.settings import load
from service.settings.values import seconds
from service.store.inbox.search import EventFilter

_BARE = re.compile(r"\s*[\d.]+\s*")


class State(StrEnum):
    """The states of an event."""

    OPEN = "open"
    DONE = "done"
    IGNORED = "ignored"
    DEAD = "dead"


def parse_moment(text: str) -> int:
    """Read `15m`, `2h` or `7d` as so long ago, or an ISO time (in UTC, unless it says otherwise), as milliseconds."""
    try:
        if not _BARE.fullmatch(text):
            return int((clock.now() - seconds(text)) * 1000)
    except ValueError:
        pass
    try:
        read = datetime.fromisoformat(text)
    except ValueError:
        told = f"{text!r} is neither a duration such as 15m or 2h nor a time such as 2026-01-31T08:00"
        raise typer.BadParameter(told) from None
    return int((read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp() * 1000)


Ids = Annotated[list[str] | None, typer.Argument(metavar="ID", help="The ids of events.", show_default=False)]
StateOption = Annotated[State | None, typer.Option("--state", help="Only events in this state.")]
TypeOption = Annotated[
    str | None,
    typer.Option("--type", metavar="TYPE", help="Only events of this type, such as message.finalized, or 10dlc.*"),
]
HandlerOption = Annotated[
    str | None, typer.Option("--handler", metavar="NAME", help="Only events that this handler has to do with.")
]
DeadHandlerOption = Annotated[
    str | None, typer.Option("--handler", metavar="NAME", help="Only where this handler is dead.")
]
ReasonOption = Annotated[
    str | None, typer.Option("--reason", metavar="REASON", help="Only where a handler is dead for this reason.")
]
NumberOption = Annotated[
    str | None,
    typer.Option("--number", metavar="NUMBER", parser=searched_number, help="Only events about this phone number."),
]
SinceOption = Annotated[
    int | None,
    typer.Option(
        "--since", metavar="TIME", parser=parse_moment, help="From then on: 15m, 2h, 7d ago, or an ISO time (UTC)."
    ),
]
UntilOption = Annotated[
    int | None, typer.Option("--until", metavar="TIME", parser=parse_moment, help="Up to then, in the same forms.")
]
LimitOption = Annotated[int, typer.Option(help="How many at most.", min=1)]
AllOption = Annotated[bool, typer.Option("--all", help="All of them.")]
YesSendOption = Annotated[
    bool, typer.Option("--yes-send", help="Imported events too, though what they sent elsewhere may be sent again.")
]


def wanted(
    *,
    state: StateOption = None,
    event_type: TypeOption = None,
    handler: HandlerOption = None,
    number: NumberOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
) -> EventFilter:
    """Return the filter of these options.

    Raises:
        typer.BadParameter: `since` is after `until`.
    """
    check_order(since, until)
    about = None if number is None else digests_of(number, load().sealer())
    return EventFilter(state, event_type, handler, about, since, until)


def wanted_now(
    *,
    state: StateOption = None,
    event_type: TypeOption = None,
    handler: HandlerOption = None,
    number: NumberOption = None,
) -> EventFilter:
    """Return the filter that these options ask for, whatever the time."""
    return wanted(state=state, event_type=event_type, handler=handler, number=number)


def dead_wanted(
    *,
    event_type: TypeOption = None,
    handler: DeadHandlerOption = None,
    reason: ReasonOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
) -> EventFilter:
    """Return the filter of dead events that these options ask for.

    Raises:
        typer.BadParameter: `since` is after `until`.
    """
    check_order(since, until)
    return EventFilter(type=event_type, died=handler, reason=reason, since=since, until=until)


def check_order(since: int | None, until: int | None) -> None:
    """Refuse a time that ends before it begins: nothing can be in it, which would read as if nothing had happened."""
    if since is not None and until is not None and since > until:
        raise typer.BadParameter("--since is after --until: with 15m or 2h, the larger one is the earlier")


def check_selection(ids: list[str] | None, selection: EventFilter, *, everything: bool) -> None:
    """Refuse to take events that nobody has named: there must be ids, conditions or `--all`, and one of these only."""
    conditions = selection != EventFilter()
    if sum((bool(ids), conditions, everything)) == 0:
        raise typer.BadParameter("say which: ids, conditions such as --type, or --all")
    if ids and (everything or conditions):
        raise typer.BadParameter("give either ids or conditions")


selects_events = takes_options_of(wanted, argument="selection")
selects_present_events = takes_options_of(wanted_now, argument="selection")
selects_dead_events = takes_options_of(dead_wanted, argument="selection")
