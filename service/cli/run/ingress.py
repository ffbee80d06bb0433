"""`ringback ingress`."""

from service.cli.run.exposed_files import announce_exposure
from service.ingress.app import serve
from service.monitoring.logs import announce_dry_run, announce_insecure_api, configure_logs
from service.processes.parent_death import end_with_supervisor
from service.settings import load_for_ingress


def ingress() -> None:
    """Receive webhooks: POST /webhooks and /webhooks/failover, on RINGBACK_HOST and RINGBACK_PORT.

    Exit codes: 0 stopped, 1 the address is taken or Redis is unreachable, 2 the configuration is invalid.
    """
    end_with_supervisor()
    configure_logs()
    settings = load_for_ingress()
    announce_dry_run(settings)
    announce_insecure_api(settings)
    announce_exposure(settings)
    serve(settings)
