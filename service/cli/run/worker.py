"""`ringback worker`."""

from service.cli.run.startup import begin
from service.settings import load
from service.worker.worker_process import work


def worker() -> None:
    """Run the handlers of HANDLERS on received events.

    Exit codes: 0 stopped, 1 Redis is unreachable or the admin port is taken, 2 invalid configuration or handlers.
    """
    work(begin(load))
