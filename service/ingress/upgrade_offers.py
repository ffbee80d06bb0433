"""Offers to upgrade a connection, such as to HTTP/2: Ringback ignores them (RFC 9110, 7.8).

httptools takes all that follows such a request for the other protocol. Neither the body nor the next request is parsed.
So the head is parsed once more without its offer, by a parser of its own.
"""

import httptools


class TunnelRequested(Exception):
    """A CONNECT, whose connection would carry another protocol. No head of it is without an offer."""


def head_without_offer(parser: httptools.HttpRequestParser, url: bytes, headers: list[tuple[bytes, bytes]]) -> bytes:
    """Return the head of a parsed request without the header that offers to upgrade.

    `Connection` stays: it may also ask to close, and offers nothing alone.

    Raises:
        TunnelRequested: the request is a CONNECT.
    """
    if (method := parser.get_method()) == b"CONNECT":
        raise TunnelRequested
    first = b"%b %b HTTP/%b" % (method, url, parser.get_http_version().encode())
    kept = [b"%b: %b" % header for header in headers if header[0] != b"upgrade"]
    return b"\r\n".join([first, *kept, b"\r\n"])


def new_parser(protocol: object) -> httptools.HttpRequestParser:
    """Return a parser like the one that uvicorn makes for a connection."""
    parser = httptools.HttpRequestParser(protocol)
    parser.set_dangerous_leniencies(lenient_data_after_close=True)
    return parser
