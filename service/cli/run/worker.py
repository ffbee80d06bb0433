"""`ringback worker`."""

import importlib
import pkgutil
from typing import Annotated

import typer

from service import messages, registrations
from service.cli.failures import exit_with
from service.cli.output import say
from service.cli.run.startup import begin
from service.monitoring.tracebacks import show_tracebacks, tell_traceback
from service.outbound.tls import tls_context
from service.processes.reloading import Reloader
from service.settings import InvalidSettings, Settings, load
from service.worker.load_router import CannotLoadHandlers
from service.worker.worker_process import work


def worker(
    *,
    dev: Annotated[
        bool, typer.Option("--dev", help="Show tracebacks, and load the handlers again at SIGHUP. Not for production.")
    ] = False,
) -> None:
    """Run the handlers of HANDLERS on received events.

    With --dev the log has the tracebacks of handlers, which may quote texts of messages.

    Exit codes: 0 stopped, 1 Redis is unreachable or the admin port is taken, 2 invalid configuration or handlers.
    """
    settings = begin(load)
    if dev:
        _reload(settings)
    else:
        work(settings)


def _load_libraries() -> None:
    """Import before the first fork what each needs for the built-in handlers, so that a save counts sooner."""
    for package in (messages, registrations):
        for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            importlib.import_module(module.name)
    for library in ("telnyx.resources.messages.messages", "telnyx.resources.messaging_optouts", "httpcore"):
        importlib.import_module(library)
    tls_context()


def _reload(settings: Settings) -> None:
    """Work in forks, a new one at each SIGHUP. `.env` is read again too."""
    _load_libraries()
    # Two workers cannot listen on one port.
    code = Reloader(overlap=settings.admin_port is None).run()
    if code is not None:
        raise typer.Exit(max(code, 1) if code else 0)
    try:
        settings = load()
        show_tracebacks(settings)
        work(settings)
    except (InvalidSettings, CannotLoadHandlers) as error:
        tell_traceback(error.__cause__)
        say("The worker starts again when a file of the handlers is saved.", err=True)
        exit_with(error)
