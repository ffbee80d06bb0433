"""Files of this deployment that others on the machine can change: refused, or warned of."""

import os
from collections.abc import Iterator
from pathlib import Path

import structlog

from service.cli.run.development_key import key_file, refuse_public_development_key
from service.security.private_files import Exposed, group_access, require_private
from service.settings import ENV_FILE, InvalidSettings, Settings

log = structlog.get_logger(__name__)


def exposure_warnings(settings: Settings) -> list[str]:
    """Return what a group can change or read of the data folder, the development key and `.env`.

    Raises:
        InvalidSettings: everybody can.
    """
    refuse_public_development_key(settings)
    warnings = []
    for variable, path, secret in _files(settings):
        try:
            require_private(path, secret=secret)
        except Exposed as error:
            raise InvalidSettings(f"{variable}: {error}") from None
        if warning := group_access(path, secret=secret):
            warnings.append(warning)
    return warnings


def announce_exposure(settings: Settings) -> None:
    """Log each warning of `exposure_warnings`, and raise what it raises."""
    for warning in exposure_warnings(settings):
        log.warning(warning)


def _files(settings: Settings) -> Iterator[tuple[str, Path, bool]]:
    """Each file with the variable that names it, and whether nobody else may read it."""
    if settings.redis_url is None or os.path.exists(key_file(settings)):
        yield "RINGBACK_DATA", settings.data, False
        yield "RINGBACK_DATA", key_file(settings), True
    yield "the settings", Path(ENV_FILE), False
