"""`ringback pause` and `ringback resume`."""

from typing import Annotated

import typer

from service.cli.connections import with_redis
from service.cli.events.handler_names import check_handler
from service.cli.output import say
from service.store.effects import pauses

Handler = Annotated[str | None, typer.Argument(help="One handler, by its name; without one, all of them.")]


def pause(handler: Handler = None) -> None:
    """Pause a handler, or all of them, until `ringback resume`; reception continues.

    Takes effect within a second in all workers, and survives their restarts; what runs is not stopped. Events wait for
    at most RINGBACK_MAX_WAIT, then they are dead.

    Exit codes: 0 paused, 1 Redis is unreachable, 2 there is no such handler.
    """
    name = pauses.ALL if handler is None else check_handler(handler)
    what = "Every handler" if name == pauses.ALL else name
    changed = with_redis(lambda redis, keys: pauses.pause(redis, keys, name))
    say(f"{what} is paused: {_command(name)} resumes it." if changed else f"{what} was paused already.")


def resume(handler: Handler = None) -> None:
    """Resume a paused handler; without a name, all that are paused.

    Exit codes: 0 nothing of it is paused now, 1 Redis is unreachable, or all handlers are paused.
    """
    paused = with_redis(pauses.paused)
    if handler is not None and pauses.ALL in paused:
        say("Every handler is paused: `ringback resume` resumes them.", err=True)
        raise typer.Exit(1)
    names = paused if handler is None else paused & {handler}
    if not names:
        say("Nothing was paused." if handler is None else f"{handler} was not paused.")
    for name in sorted(names):
        _resume(name)


def _resume(name: str) -> None:
    held = with_redis(lambda redis, keys: pauses.resume(redis, keys, name)) or 0
    what = "Every handler" if name == pauses.ALL else name
    say(f"{what} is resumed; {held} {'event' if held == 1 else 'events'} waited.")


def _command(name: str) -> str:
    return "ringback resume" if name == pauses.ALL else f"ringback resume {name}"
