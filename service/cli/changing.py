"""Settings for commands that change something at Telnyx."""

from service.settings import InvalidSettings, Settings, load


def load_for_change() -> Settings:
    """The settings that are in force.

    Raises:
        service.settings.InvalidSettings: a variable does not fit, or `RINGBACK_DRY_RUN` forbids changes.
    """
    settings = load()
    if settings.dry_run:
        raise InvalidSettings("RINGBACK_DRY_RUN is on, so nothing may be changed at Telnyx: unset it for this")
    return settings
