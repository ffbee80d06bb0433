"""`ringback ingress`."""

from service.processes.lean_imports import on_demand, without

# redis-py and Starlette use these for tokens of Azure and for pages with tracebacks. They are 1 MB.
on_demand("html", "jwt")
# structlog and uvicorn use these for tracebacks, other event loops and reloading. They are 6 MB.
with without("greenlet", "rich", "watchfiles"):
    from service.cli.run.startup import begin
    from service.ingress.app import serve
    from service.settings import load_for_ingress


def ingress() -> None:
    """Receive webhooks at /webhooks and /webhooks/failover.

    Listens on RINGBACK_HOST and RINGBACK_PORT.

    Exit codes: 0 stopped, 1 the address is taken or Redis is unreachable, 2 the configuration is invalid.
    """
    serve(begin(load_for_ingress))
