"""Which names and addresses stay on this machine."""

import ipaddress


def is_loopback(host: str) -> bool:
    """Return whether a host name or address reaches this machine alone. Of names, only localhost does."""
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return host.lower() == "localhost"
    mapped = getattr(address, "ipv4_mapped", None)
    return address.is_loopback or (mapped is not None and mapped.is_loopback)
