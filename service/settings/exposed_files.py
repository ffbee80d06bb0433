"""Files of a deployment that other users of this machine can change or read."""

import os
from collections.abc import Iterator
from pathlib import Path

from service.security.private_files import Exposed, everybody_reads, group_access, require_private
from service.settings import ENV_FILE, InvalidSettings, Settings
from service.settings.development_key import key_file, refuse_public_development_key
from service.settings.variables import sets_secret


def exposure_warnings(settings: Settings) -> list[str]:
    """Return warnings of the data folder, the development key and `.env`, where a group can change or read them.

    It also warns of keys in `.env` that everybody can read. That is what most editors make, so it refuses nothing.

    Raises:
        InvalidSettings: everybody on this machine can.
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
    if everybody_reads(Path(ENV_FILE)) and sets_secret():
        warnings.append(f"{ENV_FILE}: everybody on this machine can read the keys in it: chmod 600 {ENV_FILE}")
    return warnings


def _files(settings: Settings) -> Iterator[tuple[str, Path, bool]]:
    """Yield each file with the variable that names it, and whether nobody else may read it."""
    if settings.redis_url is None or os.path.exists(key_file(settings)):
        yield "RINGBACK_DATA", settings.data, False
        yield "RINGBACK_DATA", key_file(settings), True
    yield "the settings", Path(ENV_FILE), False
