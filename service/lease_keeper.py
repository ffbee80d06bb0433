"""The lease keeper: renews a worker's leases from a thread with a connection of its own.

A handler that blocks the event loop keeps its lease, at most until its time-out and a little more.
"""

import asyncio
import threading
import time

import structlog
from redis.exceptions import RedisError

from service.holdings import Holdings
from service.store.connection import connect_blocking
from service.store.keys import Keys
from service.store.leases import RENEW, Held, renewal
from service.store.redis_errors import describe_cause
from service.store.scripts import run_blocking

log = structlog.get_logger(__name__)

PAUSE_IN_TROUBLE = 0.2
LONGEST_COMMAND = 2.0


class LeaseKeeper(threading.Thread):
    """Renews every third of a lease, and after an error of Redis as soon as it is back."""

    def __init__(self, url: str, keys: Keys, holdings: Holdings, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(name="lease keeper", daemon=True)
        self._keys = keys
        self._holdings = holdings
        self._loop = loop
        self._redis = connect_blocking(url, timeout=min(LONGEST_COMMAND, holdings.lease / 3))
        self._ended = threading.Event()

    def run(self) -> None:
        """Renew until told to end."""
        pause = self._holdings.lease / 3
        while not self._ended.wait(pause):
            pause = self._holdings.lease / 3 if self._renew() else PAUSE_IN_TROUBLE
        self._redis.close()

    def end(self) -> None:
        """Let the thread end; what is held is nobody's to renew any more."""
        self._ended.set()

    def _renew(self) -> bool:
        """Renew once; answers whether Redis took it."""
        asked_at = time.monotonic()
        # Asked for before what runs, so that no claim answered in between looks as if its events did not run.
        settled = self._holdings.settled()
        held = self._holdings.held()
        args = renewal(self._keys, self._holdings.worker, held, lease=self._holdings.lease, settled=settled)
        try:
            lost: list[bytes] = run_blocking(self._redis, RENEW, *args)
        except (RedisError, OSError) as error:
            log.warning("leases not renewed", error=describe_cause(error))
            return False
        gone = {event_id.decode() for event_id in lost}
        self._holdings.renewed((each for each in held if each.event_id not in gone), asked_at=asked_at)
        self._tell_lost([each for each in held if each.event_id in gone])
        return True

    def _tell_lost(self, lost: list[Held]) -> None:
        for each in lost:
            try:
                self._loop.call_soon_threadsafe(self._holdings.lose, each.event_id, each.token)
            except RuntimeError:
                return  # the loop has ended, and with it whatever ran
