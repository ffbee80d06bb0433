"""Events that are delivered to a fleet without a pause, and what was answered."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from itertools import pairwise
from typing import Any

import orjson

from service.security.telnyx_signature import sign
from tests.processes.fleet import Fleet
from tests.waiting import wait_for

Make = Callable[[], dict[str, Any]]


@dataclass
class Load:
    """Ids that were answered with 200 and when (monotonic), and how often another answer came, or none."""

    fleet: Fleet
    make: Make
    acknowledged: list[tuple[str, float]] = field(default_factory=list)
    refused: int = 0
    ended: threading.Event = field(default_factory=threading.Event)

    @property
    def ids(self) -> set[str]:
        """All ids that were answered with 200."""
        return {event_id for event_id, _ in list(self.acknowledged)}

    def wait_for_more(self, number: int, *, seconds: float = 60) -> None:
        """Wait until so many more were answered with 200."""
        before = len(self.acknowledged)
        wait_for(lambda: len(self.acknowledged) >= before + number, seconds=seconds)

    def longest_gap(self, since: float) -> float:
        """Return the most seconds without a 200 from this moment on."""
        times = sorted(at for _, at in list(self.acknowledged) if at > since)
        return max(later - earlier for earlier, later in pairwise([since, *times]))

    def run(self) -> None:
        """Deliver one event after the other until the end. One that is refused comes again, as Telnyx does it."""
        connection = HTTPConnection("127.0.0.1", self.fleet.port, timeout=5)
        while not self.ended.is_set():
            event = self.make()
            if self._insist(connection, orjson.dumps(event)):
                self.acknowledged.append((event["data"]["id"], time.monotonic()))
        connection.close()

    def _insist(self, connection: HTTPConnection, body: bytes) -> bool:
        """Return whether it was accepted before the end."""
        while not self.ended.is_set():
            try:
                connection.request("POST", "/webhooks", body, sign(body, self.fleet.key, int(time.time())))
                answer = connection.getresponse()
                answer.read()
                if answer.status == 200:
                    return True
            except (OSError, HTTPException):
                connection.close()
            self.refused += 1
            self.ended.wait(0.02)
        return False


@contextmanager
def under_load(fleet: Fleet, make: Make, *, connections: int = 4) -> Iterator[Load]:
    """Deliver events until the block ends."""
    load = Load(fleet, make)
    threads = [threading.Thread(target=load.run) for _ in range(connections)]
    for each in threads:
        each.start()
    try:
        yield load
    finally:
        load.ended.set()
        for each in threads:
            each.join()
