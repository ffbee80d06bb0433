"""Answers of an asyncio client of redis-py, which its annotations call answers or awaitables."""

from collections.abc import Awaitable
from typing import TypeVar

T = TypeVar("T")


def pending(answer: Awaitable[T] | T) -> Awaitable[T]:
    """Return what a command gave, typed as what it is: something to await."""
    assert isinstance(answer, Awaitable)
    return answer
