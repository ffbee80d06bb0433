"""One command's conversation with Redis."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from redis.asyncio import Redis

from service.settings import load
from service.store.connection import connect, locate
from service.store.keys import Keys

T = TypeVar("T")

SECONDS = 30.0


def with_redis(work: Callable[[Redis, Keys], Awaitable[T]]) -> T:
    """Do some work with the Redis that the settings name, and answer what it answers.

    Raises:
        service.settings.InvalidSettings: a variable is invalid.
        service.processes.data_folder.NotRunning: `REDIS_URL` is unset and no embedded server answers.
        redis.exceptions.RedisError: Redis cannot be reached, or refuses.
    """
    settings = load()
    return ask_at(locate(settings), Keys.of(settings), work)


def ask_at(url: str, keys: Keys, work: Callable[[Redis, Keys], Awaitable[T]]) -> T:
    """Do some work with the Redis at `url`, and answer what it answers.

    Raises:
        redis.exceptions.RedisError: Redis cannot be reached, or refuses.
    """
    return asyncio.run(_ask(url, keys, work))


async def _ask(url: str, keys: Keys, work: Callable[[Redis, Keys], Awaitable[T]]) -> T:
    async with connect(url, timeout=SECONDS, connections=4) as redis:
        return await work(redis, keys)
