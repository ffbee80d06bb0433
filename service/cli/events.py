"""`ringback events`."""

from enum import StrEnum
from typing import Annotated

import typer

from service.cli.event_list import show_events
from service.cli.session import ask
from service.store.inbox import newest

events = typer.Typer(help="Look at what was received, and at what became of it.", no_args_is_help=True)


class State(StrEnum):
    """The states of an event."""

    OPEN = "open"
    DONE = "done"
    IGNORED = "ignored"
    DEAD = "dead"


@events.command("list")
def list_events(
    state: Annotated[State | None, typer.Option(help="Only events in this state.")] = None,
    event_type: Annotated[
        str | None, typer.Option("--type", metavar="TYPE", help="Only events of this type, such as message.finalized.")
    ] = None,
    limit: Annotated[int, typer.Option(help="How many at most.", min=1)] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="Print an array for machines.")] = False,  # noqa: FBT002
) -> None:
    """List events by the time of their arrival, the newest first, with what each handler made of them.

    Exit codes: 0 listed, 1 Redis cannot be had, 2 bad usage.
    """
    found = ask(lambda redis, keys: newest(redis, keys, limit=limit, state=state, event_type=event_type))
    show_events(found, as_json=as_json, none="No such event is remembered.")
