"""The options that select events, the same in every command that takes them."""

import functools
import inspect
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import typer

from service import clock
from service.cli.options import searched_number
from service.security.numbers import digests_of
from service.settings import load
from service.settings.values import seconds
from service.store.inbox.accept import message_digests
from service.store.inbox.search import EventFilter

Command = Callable[..., None]

_BARE = re.compile(r"\s*[\d.]+\s*")


def parse_moment(text: str) -> int:
    """Return `15m`, `2h` or `7d` ago in milliseconds, or an ISO time, in UTC unless it names a zone.

    Nothing is before 1970: Redis refuses such a time.

    Raises:
        typer.BadParameter: it is neither.
    """
    try:
        if not _BARE.fullmatch(text):
            return max(0, int((clock.now() - seconds(text)) * 1000))
    except ValueError:
        pass
    try:
        read = datetime.fromisoformat(text)
    except ValueError:
        told = f"{text!r} is neither a duration such as 15m or 2h nor a time such as 2026-01-31T08:00"
        raise typer.BadParameter(told) from None
    return max(0, int((read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp() * 1000))


Ids = Annotated[list[str] | None, typer.Argument(metavar="ID", help="The ids of events.", show_default=False)]
State = Literal["open", "done", "ignored", "dead"]
StateOption = Annotated[State | None, typer.Option("--state", help="Only events in this state.")]
TypeOption = Annotated[str | None, typer.Option("--type", metavar="TYPE", help="Such as message.finalized, or 10dlc.*")]
HandlerOption = Annotated[str | None, typer.Option("--handler", metavar="NAME", help="Only events of this handler.")]
DeadHandlerOption = Annotated[str | None, typer.Option("--handler", metavar="NAME", help="Only if this one is dead.")]
ReasonOption = Annotated[str | None, typer.Option("--reason", metavar="REASON", help="Only if dead for this reason.")]
NumberOption = Annotated[
    str | None,
    typer.Option("--number", metavar="NUMBER", parser=searched_number, help="Only events about this number."),
]
SinceOption = Annotated[
    int | None,
    typer.Option("--since", metavar="TIME", parser=parse_moment, help="15m, 2h, 7d ago, or an ISO time (UTC)."),
]
UntilOption = Annotated[int | None, typer.Option("--until", metavar="TIME", parser=parse_moment, help="Up to then.")]
MessageOption = Annotated[
    str | None, typer.Option("--message", metavar="ID", help="Only events about the message with this id of Telnyx's.")
]
AnyReasonOption = Annotated[
    str | None, typer.Option("--reason", metavar="REASON", help="Only if a handler ended or waits for this reason.")
]
AttemptsOption = Annotated[
    int | None,
    typer.Option("--attempts", metavar="N", min=1, max=1_000_000, help="Only if a handler has run N times or more."),
]
CronsOption = Annotated[bool, typer.Option("--crons", help="Periodic events (ringback.cron.*) too.")]
AllOption = Annotated[bool, typer.Option("--all", help="All of them.")]
YesSendOption = Annotated[bool, typer.Option("--yes-send", help="Imported events too, which may send again.")]


def wanted(
    *,
    state: StateOption = None,
    event_type: TypeOption = None,
    handler: HandlerOption = None,
    died: DeadHandlerOption = None,
    reason: ReasonOption = None,
    number: NumberOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    because: AnyReasonOption = None,
    attempts: AttemptsOption = None,
    message: MessageOption = None,
    crons: CronsOption = False,
) -> EventFilter:
    """Return the filter of these options.

    Raises:
        typer.BadParameter: `since` is after `until`, so that no event could match.
    """
    if since is not None and until is not None and since > until:
        raise typer.BadParameter("--since is after --until: with 15m or 2h, the larger one is the earlier")
    about = None if number is None else digests_of(number, load().sealer())
    return EventFilter(
        state,
        event_type,
        handler,
        about,
        since,
        until,
        died=died,
        reason=reason,
        because=because,
        attempts=attempts,
        message=None if message is None else message_digests(message, load().sealer()),
        without_crons=not crons and event_type is None,
    )


def selects(*names: str) -> Callable[[Command], Command]:
    """Give a command these options of `wanted` in place of its argument `selection`."""
    options = inspect.signature(wanted).parameters

    def decorate(command: Command) -> Command:
        own = list(inspect.signature(command).parameters.values())
        place = [each.name for each in own].index("selection")

        @functools.wraps(command)
        def run(**given: Any) -> None:
            # Only a command with --crons leaves crons out.
            chosen = {"crons": True} | {name: given.pop(name) for name in names}
            command(**given, selection=wanted(**chosen))

        parameters = [*own[:place], *(options[name] for name in names), *own[place + 1 :]]
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        return run

    return decorate


selects_events = selects("state", "event_type", "handler", "number", "since", "until")
selects_listed_events = selects(
    *("state", "event_type", "handler", "because", "attempts", "number", "message", "since", "until", "crons")
)
selects_present_events = selects("state", "event_type", "handler", "number", "message", "crons")
selects_dead_events = selects("event_type", "died", "reason", "since", "until")


def check_selection(ids: list[str] | None, selection: EventFilter, *, every: bool) -> None:
    """Refuse to take events that nobody has named: there must be ids, conditions or `--all`, and one of these only."""
    conditions = selection != EventFilter()
    if not (ids or conditions or every):
        raise typer.BadParameter("say which: ids, conditions such as --type, or --all")
    if ids and (every or conditions):
        raise typer.BadParameter("give either ids or conditions")
