"""Cancellation that cannot get lost."""

import asyncio
import contextvars
from collections.abc import Coroutine
from typing import Any, TypeVar


def check_cancelled() -> None:
    """Raise CancelledError in a task that was cancelled, even if the news got lost.

    Until Python 3.12 `asyncio.wait_for`, in which redis-py sends its commands, swallows a cancellation that arrives as
    the command goes out. A loop that calls Redis asks here, or it might never end.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


T = TypeVar("T")

_tasks: "set[asyncio.Task[Any]]" = set()


def run_uncancelled(work: Coroutine[Any, Any, T]) -> "asyncio.Task[T]":
    """Start work in a task of its own, outside the handler's context. Await it under `asyncio.shield`."""
    task = asyncio.get_running_loop().create_task(work, context=contextvars.Context())
    _tasks.add(task)
    task.add_done_callback(_done)
    return task


def _done(task: "asyncio.Task[Any]") -> None:
    _tasks.discard(task)
    if not task.cancelled():
        # Read, so that the loop does not report an exception that the caller gets.
        _ = task.exception()
