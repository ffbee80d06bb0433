"""Asking a person before something is changed."""

import typer


def confirm(question: str, *, yes: bool) -> None:
    """Go on if a person agrees, or did so with --yes; else end the command with exit code 1.

    Where nobody can be asked (no input), nobody has agreed.
    """
    if not yes and not typer.confirm(question):
        typer.echo("Nothing was changed.")
        raise typer.Exit(1)
