"""Names of handlers that a person gives to a command."""

from service.cli.output import fail
from service.settings import load
from service.worker.load_router import load_router


def check_handler(name: str) -> str:
    """Return the name where HANDLERS has it. Otherwise end the command with exit code 2, before it changes anything.

    A misspelt name would pause nothing, or put events on a handler that no worker has.
    """
    names = sorted(load_router(load().handlers).subscriptions)
    if name not in names:
        fail(f"HANDLERS has no handler {name!r}; it has {', '.join(names)}", code=2)
    return name
