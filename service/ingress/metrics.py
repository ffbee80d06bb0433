"""Metrics of the ingress: deliveries, accepted events and their durations, of one process or several.

Several processes share one port, so each of them answers for all. Each writes its numbers once a second, in a slot of
a private folder. It adds those of the others to its own. A process writes its counts before it shows them, so no
number ever falls, whichever process is asked next. A killed process loses its last second only.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from functools import reduce
from itertools import count, product
from pathlib import Path
from typing import BinaryIO, Self

import orjson
import structlog
from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from service.monitoring.counters import CounterFamily, HistogramFamily, Tally, add_all, event_types

log = structlog.get_logger(__name__)

PAUSE = 1.0
WRONG_ADDRESS = "wrong_address"
"""The label in place of a URL that is none of ours: each path would be a permanent time series."""


class ProcessSlot:
    """A place in a shared folder, held by one process at a time for as long as it lives.

    The data in a slot outlives its holder, and the next holder goes on from it. So there are never more slots than
    processes at once, however often they are started again.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock, name = _take(folder)
        self._path = folder / f"{name}.json"

    def read(self) -> bytes:
        """Return the last data in this slot, of this process or earlier holders, or an empty text."""
        with suppress(FileNotFoundError):
            return self._path.read_bytes()
        return b""

    def write(self, content: bytes) -> None:
        """Replace the data in this slot in one step, so that nobody reads half of it.

        Raises:
            OSError: there is no room.
        """
        draft = self._path.with_suffix(".draft")
        draft.write_bytes(content)
        draft.replace(self._path)

    def others(self) -> list[bytes]:
        """Return the data of all other slots, held or not."""
        return [path.read_bytes() for path in sorted(self._folder.glob("*.json")) if path != self._path]

    def close(self) -> None:
        """Let another process have it."""
        if self._lock is not None:
            self._lock.close()


class Tallies:
    """The numbers of one process, or of several together."""

    def __init__(self) -> None:
        self.deliveries = CounterFamily(
            "ringback_deliveries",
            "Webhook requests by the status of their answer, its reason, and the URL that they came by.",
            ("status", "reason", "arrived_by"),
        )
        self.events = CounterFamily(
            "ringback_events_accepted", "Webhook events that were made durable, once each, by their type.", ("type",)
        )
        self.accepting = HistogramFamily(
            "ringback_accept_seconds",
            "From the first byte of a webhook request to its answer.",
            (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0),
        )
        self.arriving = HistogramFamily(
            "ringback_occurred_to_accepted_seconds",
            "From an event's occurred_at, by Telnyx's clock, to its being durable here, by ours.",
            (0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 7200.0),
        )

    def all(self) -> tuple[Tally, ...]:
        """Return each of them, always in this order."""
        return self.deliveries, self.events, self.accepting, self.arriving

    def written(self) -> bytes:
        """Return the numbers in a form that another process can read."""
        return orjson.dumps([tally.dump() for tally in self.all()])

    def plus(self, other: "Tallies") -> "Tallies":
        """Add the numbers of another process."""
        add_all(self.all(), [tally.dump() for tally in other.all()])
        return self

    @classmethod
    def read(cls, written: bytes) -> Self:
        """Return the counts that `written` wrote, or empty ones where another version wrote them."""
        try:
            read = cls()
            add_all(read.all(), orjson.loads(written))
        except (ValueError, TypeError):
            return cls()
        return read


class IngressMetrics(Collector):
    """The counts of this process and, with a slot, of all processes that share its folder.

    `registry` exposes it.
    """

    def __init__(self, slot: ProcessSlot | None = None) -> None:
        self._slot = slot
        self._tallies = Tallies() if slot is None else Tallies.read(slot.read())
        for status, arrived_by in product(("accepted", "duplicate"), ("webhook", "failover")):
            # Prometheus sees no increase in a series that begins at 1: its first count would be missed.
            self._tallies.deliveries.numbers["200", status, arrived_by] += 0
        self._types = event_types(self._tallies.events.numbers)
        self._written = b""
        self.registry = CollectorRegistry()
        self.registry.register(self)

    def answered(self, status: int, reason: str, arrived_by: str, seconds: float) -> None:
        """Count a request that was answered so many seconds after it began."""
        self._tallies.deliveries.numbers[str(status), reason, arrived_by] += 1
        self._tallies.accepting.observe(seconds)

    def exemplify(self, seconds: float, trace_id: str) -> None:
        """Keep the trace of a request that was answered so many seconds after it began."""
        self._tallies.accepting.exemplify(seconds, trace_id)

    def misdirected(self, status: int, reason: str) -> None:
        """Count a delivery that came to a path or by a method that is none of ours."""
        self._tallies.deliveries.numbers[str(status), reason, WRONG_ADDRESS] += 1

    def accepted(self, event_type: str, occurred_at: datetime | None, now: float) -> None:
        """Count a new event that is durable since `now` (seconds since 1970)."""
        self._tallies.events.numbers[(self._types.of(event_type),)] += 1
        if occurred_at is not None:
            # Clocks differ: what seems to come from the future came at once.
            self._tallies.arriving.observe(max(0.0, now - occurred_at.timestamp()))

    def collect(self) -> Iterable[Metric]:
        """Return the numbers of all processes."""
        self._write()
        total = self._tallies
        if self._slot is not None:
            everybody = map(Tallies.read, (self._tallies.written(), *self._slot.others()))
            total = reduce(Tallies.plus, everybody)
            total.accepting.exemplars = self._tallies.accepting.exemplars
        return [tally.family() for tally in total.all()]

    @asynccontextmanager
    async def shared(self) -> AsyncIterator[None]:
        """Write the numbers down once a second, and at the end of the block, which frees the slot.

        Does nothing for a process alone.
        """
        if self._slot is None:
            yield
            return
        writing = asyncio.create_task(self._keep_writing())
        try:
            yield
        finally:
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)
            self._write()
            self._slot.close()

    async def _keep_writing(self) -> None:
        while True:
            await asyncio.sleep(PAUSE)
            self._write()

    def _write(self) -> None:
        if self._slot is None or (content := self._tallies.written()) == self._written:
            return
        try:
            self._slot.write(content)
        except OSError as error:
            # Reception goes on: meanwhile the other processes show older counts of this one.
            log.warning("the numbers for /metrics cannot be written down", error=type(error).__name__)
        else:
            self._written = content


def _take(folder: Path) -> tuple[BinaryIO | None, str]:
    """Return the lock and the name of the first free slot."""
    try:
        import fcntl  # noqa: PLC0415 - not on Windows, where each process has a slot of its own and none is taken again
    except ImportError:
        return None, str(os.getpid())
    for number in count():
        lock = (folder / f"{number}.lock").open("ab")
        try:
            # The kernel frees this lock when its process dies, even by kill -9: the next process takes the slot.
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
        else:
            return lock, str(number)
    raise AssertionError("there is always another number")
