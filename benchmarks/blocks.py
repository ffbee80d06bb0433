"""Short blocks of requests over connections that stay open, for pairs of processes that take turns of a few ms.

A busy neighbour slows both of a pair alike. So their ratio holds on a machine that is not idle, where that of longer
turns does not.
"""

import math
import socket
import statistics
from collections.abc import Sequence
from contextlib import ExitStack, closing
from functools import cached_property
from typing import Self

CONNECTIONS = 16
SECONDS = 10.0
"""How long an answer may take."""
TRIES = 5


class Connections:
    """Connections to a port of loopback. They open with the first block, as a server closes those that say nothing."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._opened = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    @cached_property
    def _sockets(self) -> list[socket.socket]:
        address = ("127.0.0.1", self._port)
        opened = (socket.create_connection(address, timeout=SECONDS) for _ in range(CONNECTIONS))
        return [self._opened.enter_context(closing(each)) for each in opened]

    def post(self, requests: Sequence[bytes]) -> None:
        """Send requests, one at a time over each connection, and again where the answer is 503, as Telnyx does.

        Raises:
            RuntimeError: one is answered with another error, or several times with 503.
            TimeoutError: one is not answered.
        """
        for start in range(0, len(requests), CONNECTIONS):
            together = list(zip(self._sockets, requests[start : start + CONNECTIONS], strict=False))
            for _ in range(TRIES):
                together = _refused(together)
            if together:
                raise RuntimeError("a request was refused: the machine is too busy")


def _refused(together: Sequence[tuple[socket.socket, bytes]]) -> list[tuple[socket.socket, bytes]]:
    """Send requests at once. Return those that were answered with 503."""
    for connection, request in together:
        connection.sendall(request)
    # The answers are short: each comes as a whole.
    statuses = [connection.recv(65_536)[9:12] for connection, _ in together]
    if not {b"200", b"503"}.issuperset(statuses):
        raise RuntimeError(f"a request was refused: {set(statuses)}")
    return [each for each, status in zip(together, statuses, strict=True) if status == b"503"]


def median_with_spread(values: Sequence[float]) -> tuple[float, float, float]:
    """Return the median, and the limits between which the true one lies in 95 of 100 measurements.

    Raises:
        statistics.StatisticsError: there are no values.
    """
    ordered = sorted(values)
    # Ranks of the order statistics, by the normal approximation of the binomial distribution.
    reach = 1.96 * math.sqrt(len(ordered)) / 2
    low = max(0, math.floor(len(ordered) / 2 - reach))
    high = min(len(ordered) - 1, math.ceil(len(ordered) / 2 + reach))
    return statistics.median(ordered), ordered[low], ordered[high]
