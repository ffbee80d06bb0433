"""Work of a command that takes minutes, and goes on after an outage."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import NamedTuple, TypeVar

from redis.asyncio import Redis
from redis.exceptions import RedisError

from service.cli.output import say
from service.store.connection import address_of
from service.store.redis_errors import describe_redis_error, is_outage

T = TypeVar("T")

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 30.0
"""Seconds before work that met an outage is done again."""


class Outage(NamedTuple):
    """An outage in words, and the seconds for which the other side asks to be left alone."""

    text: str
    after: float = 0.0


async def through_outages(work: Callable[[], Awaitable[T]], outage_of: Callable[[Exception], Outage | None]) -> T:
    """Return the result of work. After each outage it is done again, and goes on where it was.

    Raises:
        Exception: an error of the work that `outage_of` takes for no outage.
    """
    pause = FIRST_PAUSE
    while True:
        try:
            return await work()
        except Exception as error:
            outage = outage_of(error)
            if outage is None:
                raise
        wait = max(pause, outage.after)
        say(f"{outage.text}. Trying again in {wait:g} s.", err=True)
        await asyncio.sleep(wait)
        pause = min(2 * pause, LONGEST_PAUSE)


def redis_outage(redis: "Redis", error: Exception) -> Outage | None:
    """Return the outage of Redis behind an error, or None where the error has another cause."""
    if isinstance(error, RedisError) and is_outage(error):
        return Outage(describe_redis_error(error, address_of(redis)))
    return None
