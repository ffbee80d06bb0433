"""`ringback healthcheck`."""

import asyncio
from http.client import HTTPConnection, HTTPException
from itertools import pairwise
from pathlib import Path
from typing import Annotated

import typer

from service.cli.output import fail
from service.settings import DASHBOARD_PORT, InvalidSettings, Settings, load

SECONDS = 2.0
FIRST_PROCESS = Path("/proc/1/cmdline")
"""The words of the command of a container's first process, which a null byte ends each."""
_LOOPBACK = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - what is bound to all addresses answers on this one


def healthcheck(
    *,
    dashboard: Annotated[bool, typer.Option("--dashboard", help="Ask the dashboard, at its own port.")] = False,
    probe: Annotated[
        str | None, typer.Option("--probe", metavar="URL", help="Send a signed probe to this webhook URL instead.")
    ] = None,
) -> None:
    """Ask the process on this machine for /healthz, as the image's HEALTHCHECK does.

    Asks on RINGBACK_ADMIN_HOST and RINGBACK_ADMIN_PORT if that port is set, else on RINGBACK_HOST and RINGBACK_PORT.
    In a container that runs `ringback dashboard` it asks the dashboard. Waits for 2 s. RINGBACK_PROBE_KEY signs a
    probe, which is answered and never stored. Without that key it checks that a Ringback asks for a signature there.

    Exit codes: 0 it answers 200, 1 it does not (standard error says why).
    """
    try:
        settings = load()
    except InvalidSettings as error:
        # Exit code 1, unlike elsewhere: Docker keeps the others for itself.
        fail("; ".join(str(error).splitlines()))
    if probe is not None:
        trouble = _trouble_with_probe(probe, settings)
    elif dashboard or serves_dashboard(FIRST_PROCESS):
        trouble = _trouble(*dashboard_address(settings), any_page=True)
    else:
        trouble = _trouble(*address(settings), any_page=False)
    if trouble is not None:
        fail(trouble)


def serves_dashboard(command_line: Path) -> bool:
    """Return whether a container's first process is `ringback dashboard`. Elsewhere that process is another."""
    try:
        words = command_line.read_bytes().split(b"\0")
    except OSError:
        return False
    return any(word.rsplit(b"/", 1)[-1] == b"ringback" and role == b"dashboard" for word, role in pairwise(words))


def _trouble_with_probe(url: str, settings: Settings) -> str | None:
    """Return why the probe of a webhook URL fails, or None."""
    from service.registrations.webhook_repair import Unanswered, probe  # noqa: PLC0415 - the Telnyx SDK takes a second

    try:
        asyncio.run(probe(url, settings.probe_signing_key()))
    except Unanswered as error:
        return str(error)
    return None


def address(settings: Settings) -> tuple[str, int]:
    """Return the host and port of a process with these settings on this machine."""
    if settings.admin_port is None:
        host, port = settings.host, settings.port
    else:
        host, port = settings.admin_host, settings.admin_port
    return _LOOPBACK.get(host, host), port


def dashboard_address(settings: Settings) -> tuple[str, int]:
    """Return the host and port of a dashboard with these settings on this machine."""
    host = settings.dashboard_host
    return _LOOPBACK.get(host, host), settings.dashboard_port or DASHBOARD_PORT


def _trouble(host: str, port: int, *, any_page: bool) -> str | None:
    """Return the trouble in one line, or None. `any_page` takes every answer but a fault, such as a page to sign in."""
    connection = HTTPConnection(host, port, timeout=SECONDS)
    try:
        connection.request("GET", "/healthz")
        status = connection.getresponse().status
    except (OSError, HTTPException) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        return f"no answer from /healthz at {host} port {port} ({reason}): does `ringback` run there?"
    finally:
        connection.close()
    return (
        None
        if status == 200 or (any_page and status < 500)
        else f"/healthz at {host} port {port} answers {status}, not 200"
    )
