"""Listening sockets, and errors that say why there is none."""

import os
import socket


class CannotListen(Exception):
    """The address is taken or not ours. The text says what to do."""


def listen(host: str, port: int, variable: str, *, backlog: int = 2048) -> socket.socket:
    """Return a listening socket. Port 0 takes a free one. `variable` is the setting of the port.

    Raises:
        CannotListen: the address is taken or not ours.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=backlog)
    except OSError as error:
        raise CannotListen(
            f"cannot listen on {host}:{port} ({os.strerror(error.errno or 0)}): set {variable} to another port, or"
            f" {variable.replace('PORT', 'HOST')} to an address of this machine"
        ) from None


def is_free(host: str, port: int) -> bool:
    """Return whether a port can be listened on at this moment."""
    try:
        listen(host, port, "PORT").close()
    except CannotListen:
        return False
    return True
