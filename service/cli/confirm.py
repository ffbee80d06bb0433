"""Asking a person before something is changed."""

import typer


def confirm(question: str, *, yes: bool, dry_run: bool = False) -> None:
    """Go on if a person agrees, or did so with --yes; else end the command with exit code 1.

    Where nobody can be asked (no input), nobody has agreed; in a dry run nobody is asked, since nothing may be changed.
    """
    if dry_run:
        typer.echo("RINGBACK_DRY_RUN is set: nothing was changed.", err=True)
        raise typer.Exit(1)
    if not yes and not typer.confirm(question):
        typer.echo("Nothing was changed.")
        raise typer.Exit(1)
