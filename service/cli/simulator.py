"""`ringback simulator`."""

from typing import Annotated

import typer


def simulator(
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1; 0 takes a free one.", min=0, max=65535)] = 12111,
    latency: Annotated[float, typer.Option(help="Seconds that each answer takes.", min=0)] = 0.0,
    seed: Annotated[int, typer.Option(help="The same seed gives the same ids and choices.")] = 0,
) -> None:
    """Run a local Telnyx to try handlers against: set TELNYX_BASE_URL to the address that it prints."""
    from service.simulator import Simulator, serve  # noqa: PLC0415 - other commands start without it

    serve(Simulator(seed=seed, latency=latency), host="127.0.0.1", port=port)
