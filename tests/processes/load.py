"""Events that are delivered to a fleet without a pause, and what was answered."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import httpx
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
        with httpx.Client(base_url=f"http://127.0.0.1:{self.fleet.port}", trust_env=False, timeout=5) as client:
            while not self.ended.is_set():
                event = self.make()
                if self._insist(client, orjson.dumps(event)):
                    self.acknowledged.append((event["data"]["id"], time.monotonic()))

    def _insist(self, client: httpx.Client, body: bytes) -> bool:
        """Return whether it was accepted before the end."""
        while not self.ended.is_set():
            with suppress(httpx.HTTPError):
                signed = sign(body, self.fleet.key, int(time.time()))
                if client.post("/webhooks", content=body, headers=signed).status_code == 200:
                    return True
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
