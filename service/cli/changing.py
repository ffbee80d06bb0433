"""Settings for commands that change something at Telnyx."""

import typer

from service.settings import Settings, load


def load_for_change() -> Settings:
    """The settings that are in force; with `RINGBACK_DRY_RUN` the command ends here, before anything is asked.

    Raises:
        service.settings.InvalidSettings: a variable does not fit.
    """
    settings = load()
    if settings.dry_run:
        typer.echo("RINGBACK_DRY_RUN is set: nothing was changed.", err=True)
        raise typer.Exit(1)
    return settings
