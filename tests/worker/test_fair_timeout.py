"""The time for which a handler blocks the event loop counts against no other work, also after it is over."""

import asyncio
import time

import pytest

from service import Router
from service.worker import held_leases
from service.worker.held_leases import Blockage, FairTimeout, HeldLeases
from service.worker.loop_watch import LoopWatch


def wait_behind_a_blockage(*, blocked: float, timeout: float, after: float) -> None:
    """Wait `after` seconds within `timeout` seconds, once something has blocked the loop for `blocked` seconds."""
    blockage = Blockage()

    async def wait() -> None:
        watch = LoopWatch(asyncio.get_running_loop(), HeldLeases(1.0, blockage=blockage), Router())
        async with FairTimeout(timeout, blockage.total):
            watch.look()
            time.sleep(blocked)  # noqa: ASYNC251 - it blocks the loop
            await asyncio.sleep(after)

    asyncio.run(wait())


def test_a_blockage_that_is_over_still_lengthens_a_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(held_leases, "MIN_BLOCKED", 0.01)
    wait_behind_a_blockage(blocked=0.6, timeout=0.5, after=0.01)
    with pytest.raises(TimeoutError):
        wait_behind_a_blockage(blocked=0.1, timeout=0.01, after=20)
