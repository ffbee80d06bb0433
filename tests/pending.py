"""Answers of redis-py, which its annotations call answers or awaitables, whichever client gave them."""

from collections.abc import Awaitable
from typing import TypeVar

T = TypeVar("T")


def pending(answer: Awaitable[T] | T) -> Awaitable[T]:
    """Return what a command gave, typed as what it is: something to await."""
    assert isinstance(answer, Awaitable)
    return answer


def at_once(answer: Awaitable[T] | T) -> T:
    """Return what a command of a client without asyncio gave, typed as what it is: the answer."""
    assert not isinstance(answer, Awaitable)
    return answer
