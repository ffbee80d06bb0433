"""The options that several commands take."""

import functools
import inspect
from collections.abc import Callable
from typing import Annotated, Any

import typer

Command = Callable[..., None]

YesOption = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
RevealOption = Annotated[bool, typer.Option("--reveal", help="Show phone numbers and texts in full.")]


def takes_options_of(
    read: Callable[..., Any], *, argument: str
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the options of `read` in place of `argument`, which gets what `read` returns."""
    options = inspect.signature(read).parameters

    def decorate(command: Command) -> Command:
        own = inspect.signature(command).parameters
        place = list(own).index(argument)

        @functools.wraps(command)
        def run(**given: Any) -> None:
            chosen = {name: given.pop(name) for name in options}
            command(**given, **{argument: read(**chosen)})

        before, after = [*own.values()][:place], [*own.values()][place + 1 :]
        run.__signature__ = inspect.Signature([*before, *options.values(), *after])  # type: ignore[attr-defined]
        return run

    return decorate
