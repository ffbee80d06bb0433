"""`ringback trigger`."""

import json
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Annotated, Any

import typer

from service.cli.output import say
from service.cli.run.development_key import known_key
from service.security.telnyx_signature import sign
from service.settings import Settings, load
from service.testing.samples import NUMBER, SAMPLES

SECONDS = 5.0


def trigger(
    event: Annotated[str, typer.Argument(help=f"A sample ({', '.join(SAMPLES)}), or a file that holds a body.")],
    number: Annotated[str, typer.Option(help="The number that a sample is about.")] = NUMBER,
) -> None:
    """Deliver a signed event to the Ringback that `ringback up --dev` runs on this machine.

    Exit codes: 0 accepted, 1 refused or nobody answers, 2 there is no such sample, or no development key.
    """
    settings = load()
    body = json.dumps(_body(event, number)).encode()
    status, answer = _deliver(settings, body)
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


def _deliver(settings: Settings, body: bytes) -> tuple[int, str]:
    url = f"http://{settings.host}:{settings.port}/webhooks"
    headers = {**sign(body, known_key(settings), int(time.time())), "content-type": "application/json"}
    try:
        with urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=SECONDS) as response:
            return int(response.status), response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError:
        say(f"nobody answers at {url}: start `ringback up --dev`", err=True)
        raise typer.Exit(1) from None
