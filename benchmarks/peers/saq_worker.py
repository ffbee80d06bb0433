"""SAQ's worker with a no-op job and 100 jobs at once."""

import asyncio
import os
from typing import Any

import uvloop
from saq import Queue, Worker

from benchmarks.handled import recorder

note = recorder()


async def handle(ctx: Any, *, event_id: str, event: dict[str, Any]) -> None:
    """Note the event."""
    del ctx, event
    note(event_id)


async def main() -> None:
    """Work until SIGTERM."""
    queue = Queue.from_url(os.environ["REDIS_URL"])
    await queue.connect()
    await Worker(queue, functions=[handle], concurrency=100).start()


if __name__ == "__main__":
    uvloop.install()
    asyncio.run(main())
