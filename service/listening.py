"""Sockets that listen, or a clear word on why they cannot."""

import socket


class CannotListen(Exception):  # noqa: N818 - a state
    """The address is taken or not ours; the text says what to do."""


def listen(host: str, port: int, *, backlog: int = 2048) -> socket.socket:
    """A socket that listens; port 0 takes a free one.

    Raises:
        CannotListen: the address is taken or not ours.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=backlog)
    except OSError as error:
        raise CannotListen(
            f"cannot listen on {host}:{port} ({error.strerror}): set RINGBACK_HOST, RINGBACK_PORT, RINGBACK_ADMIN_PORT"
        ) from None
