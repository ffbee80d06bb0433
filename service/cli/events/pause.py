"""`ringback pause` and `ringback resume`."""

from functools import partial
from typing import Annotated

import typer

from service.cli.connections import with_redis
from service.cli.events.handler_names import refuse_unknown_handler
from service.cli.on_record import put_on_record
from service.cli.output import fail, say
from service.store.effects import blocks

Handler = Annotated[str | None, typer.Argument(help="One handler, by its name. Without one, all of them.")]


def pause(handler: Handler = None) -> None:
    """Pause a handler, or all of them, until `ringback resume`. Reception continues.

    Takes effect within a second in all workers, and survives their restarts. A run that has begun goes on. Events wait
    for at most RINGBACK_MAX_WAIT, then they are dead.

    Exit codes: 0 paused, 1 Redis is unreachable, 2 there is no such handler.
    """
    refuse_unknown_handler(handler)
    name = blocks.ALL if handler is None else handler
    put_on_record()
    changed = with_redis(lambda store: blocks.pause(store, name))
    command = f"ringback resume {handler or ''}".strip()
    say(f"{_subject(name)} is paused: {command} resumes it." if changed else f"{_subject(name)} was paused already.")


def resume(handler: Handler = None) -> None:
    """Resume a paused handler or, without a name, all that are paused.

    Exit codes: 0 nothing of it is paused now, 1 Redis is unreachable, or all handlers are paused.
    """
    paused = with_redis(blocks.paused)
    if handler is not None and blocks.ALL in paused:
        fail("Every handler is paused: `ringback resume` resumes them.")
    names = paused if handler is None else paused & {handler}
    if not names:
        say("Nothing was paused." if handler is None else f"{handler} was not paused.")
    if names:
        put_on_record()
    for name in sorted(names):
        held = with_redis(partial(blocks.resume, handler=name)) or 0
        say(f"{_subject(name)} is resumed, {held} {'event' if held == 1 else 'events'} waited.")


def _subject(name: str) -> str:
    return "Every handler" if name == blocks.ALL else name
