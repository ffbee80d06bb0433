"""Where a request comes from: a trusted proxy, this machine, a page of our own. Pure."""

from collections.abc import Sequence
from contextlib import suppress
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from urllib.parse import SplitResult, urlsplit

from starlette.requests import HTTPConnection

from service.processes.loopback import is_loopback

Networks = Sequence[IPv4Network | IPv6Network]


def only_header(request: HTTPConnection, name: str) -> str | None:
    """Return a header, None where it is missing or comes more than once: then nobody knows which one counts."""
    found = request.headers.getlist(name)
    return found[0] if len(found) == 1 else None


def is_from(request: HTTPConnection, networks: Networks) -> bool:
    """Return whether the peer of the connection is in one of the networks."""
    return _is_in(_address(_peer(request)), networks)


def address_of(request: HTTPConnection, proxies: Networks) -> str:
    """Return the address that a request comes from. Trusted proxies may say it in `X-Forwarded-For`.

    Each proxy adds whom it has spoken to. Anybody can make up the entries to the left of their own.
    """
    if is_from(request, proxies):
        for entry in reversed(",".join(request.headers.getlist("x-forwarded-for")).split(",")):
            if (address := _address(entry.strip())) is None:
                break
            if not _is_in(address, proxies):
                return str(address)
    return _peer(request)


def host_of(request: HTTPConnection, proxies: Networks) -> str:
    """Return the host and port that the browser asked for. A trusted proxy may say it in `X-Forwarded-Host`."""
    forwarded = only_header(request, "x-forwarded-host") if is_from(request, proxies) else None
    return (forwarded or only_header(request, "host") or "").lower()


def is_secure(request: HTTPConnection, proxies: Networks) -> bool:
    """Return whether the browser uses https. A trusted proxy may say so in `X-Forwarded-Proto`."""
    forwarded = only_header(request, "x-forwarded-proto") if is_from(request, proxies) else None
    return (forwarded or request.url.scheme) == "https"


def is_own_page(request: HTTPConnection, proxies: Networks) -> bool:
    """Return whether a page of the dashboard itself has sent a request: no other may change anything.

    Browsers send `Sec-Fetch-Site` or `Origin` with every form. No page can forge them.
    """
    site, origin = request.headers.getlist("sec-fetch-site"), request.headers.getlist("origin")
    if not (site or origin) or site not in ([], ["same-origin"]) or len(origin) > 1:
        return False
    return not origin or (_split(origin[0]).netloc.lower() == host_of(request, proxies) != "")


def is_local(request: HTTPConnection) -> bool:
    """Return whether a request stays on this machine: the server's address, the peer and the host that was named.

    The last one keeps out a page whose own name was made to lead here (DNS rebinding). A proxy on this machine passes
    on requests of others.
    """
    server, client = request.scope.get("server"), request.client
    if server is None or client is None or any(name in request.headers for name in _OF_PROXIES):
        return False
    hosts = (server[0], client.host, _split(f"//{only_header(request, 'host') or ''}").hostname or "")
    return all(map(is_loopback, hosts))


_OF_PROXIES = ("forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip")


def _peer(request: HTTPConnection) -> str:
    return request.client.host if request.client else ""


def _is_in(address: IPv4Address | IPv6Address | None, networks: Networks) -> bool:
    return address is not None and any(address in network for network in networks)


def _address(text: str) -> IPv4Address | IPv6Address | None:
    """Return an address, whether a port follows it or not. An IPv4 address that IPv6 maps is one of IPv4."""
    for spelt in (text, _split(f"//{text}").hostname or ""):
        # A bare IPv6 address comes first: its last group would be taken for a port.
        with suppress(ValueError):
            found = ip_address(spelt)
            return getattr(found, "ipv4_mapped", None) or found
    return None


def _split(url: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError:
        return urlsplit("")
