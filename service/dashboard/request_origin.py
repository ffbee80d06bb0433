"""Where a request comes from: an address behind a trusted proxy, a page of our own. Pure."""

from collections.abc import Sequence
from contextlib import suppress
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from starlette.requests import HTTPConnection

from service.ingress.local_requests import only_header, split_url

Networks = Sequence[IPv4Network | IPv6Network]


def is_from(request: HTTPConnection, networks: Networks) -> bool:
    """Return whether the peer of the connection is in one of the networks."""
    return _is_in(_address(_peer(request)), networks)


def client_address(request: HTTPConnection, proxies: Networks) -> str:
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
    return not origin or (split_url(origin[0]).netloc.lower() == host_of(request, proxies) != "")


def _peer(request: HTTPConnection) -> str:
    return request.client.host if request.client else ""


def _is_in(address: IPv4Address | IPv6Address | None, networks: Networks) -> bool:
    return address is not None and any(address in network for network in networks)


def _address(text: str) -> IPv4Address | IPv6Address | None:
    """Return an address, whether a port follows it or not. An IPv4 address that IPv6 maps is one of IPv4."""
    for spelt in (text, split_url(f"//{text}").hostname or ""):
        # A bare IPv6 address comes first: its last group would be taken for a port.
        with suppress(ValueError):
            found = ip_address(spelt)
            return getattr(found, "ipv4_mapped", None) or found
    return None
