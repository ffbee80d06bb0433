"""From a request to its handler, at a rate that the clock fixes."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks import handled
from benchmarks.figures import percentile
from benchmarks.load import send
from benchmarks.processes import wait_for
from benchmarks.redis_server import RedisServer, redis_server
from benchmarks.row import Scale
from benchmarks.signed_events import fresh_ids, received, requests
from benchmarks.stacks import Receiver, Stack, Worker, receiving, working

CONNECTIONS = 128
DRAIN_SECONDS = 3.0
"""How long handlers may lag behind before their events count as late beyond measure."""
WARM_UP = 100


@dataclass(frozen=True)
class Latencies:
    """Seconds from when each request had to leave to its handler's start. Infinite where it had not begun in time."""

    seconds: list[float]

    def milliseconds(self, percent: float) -> float:
        """Return a percentile in ms."""
        return percentile(self.seconds, percent) * 1e3


@contextmanager
def pipeline(stack: Stack, scale: Scale) -> Iterator[tuple[RedisServer, Receiver, Worker]]:
    """Run a stack on a server of its own, all on all cores, until the block ends. It has handled events before."""
    with (
        redis_server(scale.folder, fsync=stack.fsync, core=None) as redis,
        receiving(stack, redis, scale, core=None) as receiver,
        working(stack, redis, scale, core=None) as worker,
    ):
        warm_up(receiver, worker)
        yield redis, receiver, worker


def warm_up(receiver: Receiver, worker: Worker) -> None:
    """Send some events and wait until they are handled.

    Raises:
        Failed: they are not.
    """
    before = handled.count(worker.file)
    send(requests(fresh_ids(WARM_UP), received), receiver.port, core=None)
    wait_for(lambda: handled.count(worker.file) >= before + WARM_UP, worker.process, worker.log)


def measure(receiver: Receiver, worker: Worker, *, rate: float, seconds: float) -> Latencies:
    """Send events at a rate, and return when their handlers began."""
    ids = fresh_ids(int(rate * seconds))
    pool = requests(ids, received)
    before = handled.count(worker.file)
    # A receiver closes a connection that stays idle for five seconds.
    connections = min(CONNECTIONS, int(2 * rate))
    report = send(pool, receiver.port, connections=connections, seconds=seconds, rate=rate, core=None)
    _await(worker.file, before + len(ids))
    began = {each.event_id: each.at for each in handled.read(worker.file)}
    return Latencies(
        [began.get(each, float("inf")) - (report.began + number / rate) for number, each in enumerate(ids)]
    )


def _await(file: Path, lines: int) -> None:
    deadline = time.monotonic() + DRAIN_SECONDS
    while handled.count(file) < lines and time.monotonic() < deadline:
        time.sleep(0.02)
