"""Work at Telnyx after the answer to a request: messages on their way, webhooks being delivered."""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

log = logging.getLogger(__name__)

Work = Callable[[], Coroutine[Any, Any, None]]


class Background:
    """Runs work in the server's event loop. Earlier work waits for that loop."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._waiting: deque[Work] = deque()

    @property
    def under_way(self) -> int:
        """How many pieces of work have not ended. One that waits for a later simulated time is among them."""
        return len(self._waiting) + len(self._tasks)

    def start(self, work: Work) -> None:
        """Begin `work`, from whichever thread."""
        self._waiting.append(work)
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._begin, self._loop)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Let work run in the current event loop until the block ends, which cancels what is left."""
        self._loop = asyncio.get_running_loop()
        self._begin(self._loop)
        try:
            yield
        finally:
            await self.cancelled()
            self._loop = None

    async def cancelled(self) -> None:
        """Cancel everything, in the server's event loop, and wait until it has ended."""
        self._waiting.clear()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def cancel(self) -> None:
        """Cancel everything. From a thread other than the server's, return once it has ended."""
        if self._loop is None:
            self._waiting.clear()
        elif self._loop is _running_loop():
            for task in tuple(self._tasks):
                task.cancel()
        else:
            asyncio.run_coroutine_threadsafe(self.cancelled(), self._loop).result()

    def _begin(self, loop: asyncio.AbstractEventLoop) -> None:
        while self._waiting:
            task = loop.create_task(self._waiting[0]())
            self._tasks.add(task)
            task.add_done_callback(self._ended)
            self._waiting.popleft()

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("work in the background failed", exc_info=error)


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
