"""`ringback worker`."""

from service.cli.run.exposed_files import announce_exposure
from service.monitoring.logs import announce_dry_run, announce_insecure_api, configure_logs
from service.processes.parent_death import end_with_supervisor
from service.settings import load
from service.worker.worker_process import work


def worker() -> None:
    """Run the handlers that HANDLERS names on the events that were received.

    Exit codes: 0 stopped, 1 Redis is unreachable or the admin port is taken, 2 invalid
    configuration or handlers.
    """
    end_with_supervisor()
    configure_logs()
    settings = load()
    announce_dry_run(settings)
    announce_insecure_api(settings)
    announce_exposure(settings)
    work(settings)
