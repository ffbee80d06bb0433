"""Settings for commands that change something at Telnyx."""

from service.cli.confirm import end_dry_run
from service.settings import Settings, load


def load_for_change() -> Settings:
    """The settings that are in force; with `RINGBACK_DRY_RUN` the command ends here, before anything is asked.

    Raises:
        service.settings.InvalidSettings: a variable is invalid.
    """
    settings = load()
    if settings.dry_run:
        end_dry_run()
    return settings
