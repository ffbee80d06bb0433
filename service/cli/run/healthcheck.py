"""`ringback healthcheck`."""

from http.client import HTTPConnection, HTTPException

from service.cli.output import fail
from service.settings import InvalidSettings, Settings, load

SECONDS = 2.0
_LOOPBACK = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - what is bound to all addresses answers on this one


def healthcheck() -> None:
    """Ask the process on this machine for /healthz, as the image's HEALTHCHECK does.

    Asks on RINGBACK_ADMIN_HOST and RINGBACK_ADMIN_PORT if that port is set, else on RINGBACK_HOST and RINGBACK_PORT.
    Waits for 2 s.

    Exit codes: 0 it answers 200, 1 it does not (standard error says why).
    """
    try:
        settings = load()
    except InvalidSettings as error:
        # Exit code 1, unlike elsewhere: Docker keeps the others for itself.
        fail("; ".join(str(error).splitlines()))
    if (trouble := _trouble(*address(settings))) is not None:
        fail(trouble)


def address(settings: Settings) -> tuple[str, int]:
    """Return the host and port of a process with these settings on this machine."""
    if settings.admin_port is None:
        host, port = settings.host, settings.port
    else:
        host, port = settings.admin_host, settings.admin_port
    return _LOOPBACK.get(host, host), port


def _trouble(host: str, port: int) -> str | None:
    """Return the trouble in one line, or None."""
    connection = HTTPConnection(host, port, timeout=SECONDS)
    try:
        connection.request("GET", "/healthz")
        status = connection.getresponse().status
    except (OSError, HTTPException) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        return f"no answer from /healthz at {host} port {port} ({reason}): does `ringback` run there?"
    finally:
        connection.close()
    return None if status == 200 else f"/healthz at {host} port {port} answers {status}, not 200"
