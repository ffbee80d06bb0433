"""Names of handlers that a person gives to a command."""

import typer

from service.cli.output import say
from service.settings import load
from service.worker.load_router import load_router

BAD_USAGE = 2


def check_handler(name: str) -> str:
    """The name, where HANDLERS has it; else the command ends with exit code 2, before anything is changed.

    A misspelt name would pause nothing, or put events on a handler that no worker has.
    """
    names = sorted(load_router(load().handlers).subscriptions)
    if name not in names:
        say(f"HANDLERS has no handler {name!r}; it has {', '.join(names)}", err=True)
        raise typer.Exit(BAD_USAGE)
    return name
