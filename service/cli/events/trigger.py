"""`ringback trigger`."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from service.cli.output import fail, say
from service.cli.signed_delivery import deliver
from service.settings import load
from service.settings.development_key import known_key
from service.testing.samples import NUMBER, SAMPLES


def trigger(
    event: Annotated[str, typer.Argument(help=f"A sample ({', '.join(SAMPLES)}), or a file with a body.")],
    number: Annotated[str, typer.Option(help="The number that a sample is about.")] = NUMBER,
) -> None:
    """Deliver a signed event to the Ringback that `ringback up --dev` runs here.

    Exit codes: 0 accepted, 1 refused or nobody answers, 2 there is no such sample, or no development key.
    """
    settings = load()
    body, url = _body(event, number), f"http://{settings.host}:{settings.port}/webhooks"
    key = known_key(settings)
    try:
        status, answer = deliver(url, body, key)
    except OSError:
        fail(f"nobody answers at {url}: start `ringback up --dev`")
    say(f"{status} {answer}")
    if status != 200:
        raise typer.Exit(1)


def _body(event: str, number: str) -> Any:
    if event in SAMPLES:
        return SAMPLES[event](number)
    try:
        return json.loads(Path(event).read_bytes())
    except (OSError, ValueError) as error:
        raise typer.BadParameter(
            f"{event!r} is no sample ({', '.join(SAMPLES)}) and no file that holds JSON ({type(error).__name__})"
        ) from None
