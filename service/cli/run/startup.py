"""The start of a process: its logs, its settings, and warnings about them."""

from collections.abc import Callable

import structlog

from service.monitoring.logs import announce_dry_run, configure_logs
from service.processes.parent_death import end_with_supervisor
from service.settings import Settings
from service.settings.exposed_files import exposure_warnings

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
