"""`ringback simulator`."""

import os
from typing import Annotated

import typer

from service.cli.output import fail
from service.processes.parent_death import end_with_supervisor
from service.testing.simulator import Simulator, serve

HOST = "127.0.0.1"


def simulator(
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1, or 0 for a free one.", min=0, max=65535)] = 12111,
    latency: Annotated[float, typer.Option(help="Seconds that each answer takes.", min=0)] = 0.0,
    seed: Annotated[int | None, typer.Option(help="The same seed gives the same ids and choices.")] = None,
    webhook_url: Annotated[str | None, typer.Option(help="Such as http://127.0.0.1:8080/webhooks.")] = None,
    control_host: Annotated[list[str] | None, typer.Option(help="A further host name for the controls.")] = None,
) -> None:
    """Run a local Telnyx to try handlers against.

    Set TELNYX_BASE_URL to the address that it prints. Its webhooks are signed with a key of its own. Ask it for that
    by GET /_simulator/public_key.

    Exit codes: 0 stopped, 1 the port is taken, 2 bad usage.
    """
    end_with_supervisor()
    try:
        local = Simulator(
            seed=seed or 0,
            fresh_ids=seed is None,
            latency=latency,
            webhook_url=webhook_url,
            control_hosts=control_host or (),
        )
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    try:
        serve(local, host=HOST, port=port)
    except OSError as error:
        fail(f"cannot listen on {HOST}:{port} ({os.strerror(error.errno or 0)}): give another --port")
