"""What trials share, and the ports of their ingresses."""

import itertools
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import httpx
from anyio.from_thread import BlockingPortal
from redis.asyncio import Redis

from service.testing.simulator import Simulator
from tests.chaos.zygote import Zygote

FIRST_PORT, PORTS, RANGES = 20_000, 500, 24
"""Below those that the system gives to others, so that nobody takes a port before its ingress does."""
BUSY = 4
"""Processes that want to run, for each processor."""
_turn = threading.Lock()


@dataclass
class Site:
    """The server, a local Telnyx of its own, and the process that forks others."""

    socket: str
    redis: "Redis"
    simulator: Simulator
    simulator_port: int
    zygote: Zygote
    portal: BlockingPortal
    folder: Path
    http: httpx.Client


def open_client() -> httpx.Client:
    """Return a client without TLS, whose connections end with their requests."""
    return httpx.Client(verify=False, trust_env=False, timeout=5, limits=httpx.Limits(max_keepalive_connections=0))


def lease_seconds() -> int:
    """Return the seconds of a trial's leases. On a busy machine, a worker cannot renew them within one second."""
    return 1 if os.getloadavg()[0] < BUSY * (os.cpu_count() or 1) else 5


def low_port() -> int:
    """Return a port that nobody listens on, and that no other process of tests takes while its ingress is dead."""
    with _turn:
        for port in _ports():
            with socket.socket() as tried, suppress(OSError):
                tried.bind(("127.0.0.1", port))
                return port
    raise AssertionError("range has no end")


@cache
def _ports() -> Iterator[int]:
    """Take a range of ports. The name of a socket without a file holds it until this process ends."""
    for number in range(RANGES):
        held = socket.socket(socket.AF_UNIX)
        with suppress(OSError):
            held.bind(f"\0ringback-crash-ports-{number}")
            _held.append(held)
            first = FIRST_PORT + number * PORTS
            return itertools.cycle(range(first, first + PORTS))
        held.close()
    raise AssertionError("all ranges of ports are taken")


_held: list[socket.socket] = []
