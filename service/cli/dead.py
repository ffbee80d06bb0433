"""`ringback dead`."""

from typing import Annotated

import typer

from service.cli.event_list import show_events
from service.cli.session import ask
from service.store import inbox

dead = typer.Typer(help="Look at what was given up on, and kept.", no_args_is_help=True)


@dead.command("list")
def list_dead(
    limit: Annotated[int, typer.Option(help="How many at most.", min=1)] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="Print an array for machines.")] = False,  # noqa: FBT002
) -> None:
    """List dead events by the time of their end, the newest first, with the error that ended each.

    Exit codes: 0 listed, 1 Redis cannot be had, 2 bad usage.
    """
    found = ask(lambda redis, keys: inbox.dead(redis, keys, limit=limit))
    show_events(found, as_json=as_json, none="No event is dead.")
