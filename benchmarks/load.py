"""The load: a process of its own that sends prepared requests over some connections, and says how that went.

Without a rate, each connection sends its next request once the last one is answered.
With a rate, request n leaves n/rate seconds after the start, whether the server keeps up or not. A latency counts from
the time at which the request had to leave. A late server cannot hide its lateness.
"""

import json
import pickle
import socket
import subprocess
import sys
import tempfile
from dataclasses import dataclass

from benchmarks.machine import LOAD_CORE, pin
from benchmarks.processes import ROOT, clean_environment

CONNECTIONS = 64
MAX_SECONDS = 60.0
GRACE_SECONDS = 10.0
"""How long the last answers of an open-loop load may take. A later one counts as missing."""


@dataclass(frozen=True)
class LoadReport:
    """The counts of a load: answers of 200, other ends, and requests without an end.

    `seconds` is how long it took, `cpu` the seconds that it ran itself, `began` when it began (monotonic). `latencies`
    are seconds, in the order of the answers.
    """

    accepted: int
    refused: int
    missing: int
    seconds: float
    cpu: float
    began: float
    latencies: list[float]

    @property
    def rate(self) -> float:
        """Accepted requests a second."""
        return self.accepted / self.seconds


def send(
    requests: list[bytes],
    port: int,
    *,
    connections: int = CONNECTIONS,
    seconds: float = MAX_SECONDS,
    rate: float | None = None,
    core: int | None = LOAD_CORE,
) -> LoadReport:
    """Send requests from a process of its own, until all are answered or the time is over.

    Raises:
        RuntimeError: the load itself failed.
        subprocess.TimeoutExpired: it hangs.
    """
    options = {"port": port, "connections": connections, "seconds": seconds} | ({"rate": rate} if rate else {})
    words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    with tempfile.NamedTemporaryFile(suffix=".requests") as file:
        pickle.dump(requests, file)
        file.flush()
        command = [sys.executable, "-m", "benchmarks.load_process", file.name, *words]
        process = subprocess.Popen(command, cwd=ROOT, env=clean_environment({}), stdout=subprocess.PIPE)
        pin(process.pid, core)
        try:
            said, _ = process.communicate(timeout=MAX_SECONDS + 2 * GRACE_SECONDS)
        finally:
            process.kill()
            process.wait()
    if process.returncode != 0:
        raise RuntimeError("the load failed: see its error above")
    return LoadReport(**json.loads(said))


def is_accepted(request: bytes, port: int) -> bool:
    """Send one request, and return whether it was answered with 200. Nobody may be listening."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            connection.sendall(request)
            return connection.recv(65_536)[9:12] == b"200"
    except OSError:
        return False
