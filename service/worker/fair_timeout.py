"""A time-out that stands still while somebody else blocks the event loop."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager


@asynccontextmanager
async def fair_timeout(seconds: float, blocked: Callable[[], float]) -> AsyncIterator[asyncio.Timeout]:
    """Cancel the block after `seconds`, to which are added those for which others `blocked` the loop meanwhile.

    Raises:
        TimeoutError: the time is up.
    """
    loop = asyncio.get_running_loop()
    ends_at = time.monotonic() + seconds - blocked()
    async with asyncio.timeout(None) as timeout:
        timer: asyncio.TimerHandle

        def check() -> None:
            nonlocal timer
            left = ends_at + blocked() - time.monotonic()
            if left > 0:
                timer = loop.call_later(left, check)
            else:
                timeout.reschedule(loop.time())

        timer = loop.call_later(seconds, check)
        try:
            yield timeout
        finally:
            timer.cancel()
