"""The start of a process: its logs, its settings, and warnings about them."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import structlog

from service.cli.run.development_key import key_file, refuse_public_development_key
from service.monitoring.logs import announce_dry_run, configure_logs
from service.processes.parent_death import end_with_supervisor
from service.security.private_files import Exposed, group_access, require_private
from service.settings import ENV_FILE, InvalidSettings, Settings

log = structlog.get_logger(__name__)


def begin(load: Callable[[], Settings]) -> Settings:
    """Set up a process of a deployment, and return its settings. Raise the exceptions of `load` and `announce`."""
    end_with_supervisor()
    configure_logs()
    settings = load()
    announce(settings)
    return settings


def announce(settings: Settings) -> None:
    """Warn of a dry run, of an API key that crosses a network in the clear, and of exposed files.

    Raises:
        InvalidSettings: everybody on this machine can change or read such a file.
    """
    announce_dry_run(settings)
    if settings.is_api_insecure():
        log.warning("RINGBACK_INSECURE_API is on, and TELNYX_BASE_URL is http://: the network can read the API key")
    for warning in exposure_warnings(settings):
        log.warning(warning)


def exposure_warnings(settings: Settings) -> list[str]:
    """Return warnings of the data folder, the development key and `.env`, where a group can change or read them.

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
    return warnings


def _files(settings: Settings) -> Iterator[tuple[str, Path, bool]]:
    """Yield each file with the variable that names it, and whether nobody else may read it."""
    if settings.redis_url is None or os.path.exists(key_file(settings)):
        yield "RINGBACK_DATA", settings.data, False
        yield "RINGBACK_DATA", key_file(settings), True
    yield "the settings", Path(ENV_FILE), False
