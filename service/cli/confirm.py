"""Asking a person before something is changed."""

from typing import NoReturn

import typer

from service.cli.output import ask_person, say


def confirm(question: str, *, yes: bool, dry_run: bool = False) -> None:
    """Go on if a person agrees, or did so with --yes; else end the command with exit code 1.

    Where nobody can be asked (no input), nobody has agreed; in a dry run nobody is asked, since nothing may be changed.
    """
    if dry_run:
        end_dry_run()
    if not yes and not ask_person(question):
        say("Nothing was changed.")
        raise typer.Exit(1)


def end_dry_run() -> NoReturn:
    """End a command that would change something, and say why nothing was."""
    say("RINGBACK_DRY_RUN is set: nothing was changed.", err=True)
    raise typer.Exit(1)
