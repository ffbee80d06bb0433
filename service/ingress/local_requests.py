"""Requests that stay on this machine. Pure."""

from urllib.parse import SplitResult, urlsplit

from starlette.requests import HTTPConnection

from service.processes.loopback import is_loopback

_OF_PROXIES = ("forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip")


def is_local(request: HTTPConnection) -> bool:
    """Return whether a request stays on this machine: the server's address, the peer and the host that was named.

    The last one keeps out a page whose own name was made to lead here (DNS rebinding). A proxy or a tunnel on this
    machine passes on requests of others.
    """
    server, client = request.scope.get("server"), request.client
    if server is None or client is None or any(name in request.headers for name in _OF_PROXIES):
        return False
    hosts = (server[0], client.host, split_url(f"//{only_header(request, 'host') or ''}").hostname or "")
    return all(map(is_loopback, hosts))


def only_header(request: HTTPConnection, name: str) -> str | None:
    """Return a header, None where it is missing or comes more than once: then nobody knows which one counts."""
    found = request.headers.getlist(name)
    return found[0] if len(found) == 1 else None


def split_url(url: str) -> SplitResult:
    """Return the parts of a URL, all of them empty where it is none."""
    try:
        return urlsplit(url)
    except ValueError:
        return urlsplit("")
