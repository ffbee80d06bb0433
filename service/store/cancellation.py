"""Cancellation that cannot get lost."""

import asyncio


def check_cancelled() -> None:
    """Raise CancelledError in a task that was cancelled, even if the news got lost.

    Until Python 3.12 `asyncio.wait_for`, in which redis-py sends its commands, swallows a cancellation that arrives as
    the command goes out. A loop that calls Redis asks here, or it might never end.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
