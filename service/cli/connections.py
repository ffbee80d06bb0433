"""One command's connection to Redis, and the settings of a command that changes something at Telnyx."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from service.cli.output import end_dry_run
from service.security.encryption import Sealer
from service.settings import Settings, load
from service.store.connection import connect, locate
from service.store.store import Store

T = TypeVar("T")

SECONDS = 30.0


def with_redis(work: Callable[[Store], Awaitable[T]]) -> T:
    """Return the result of work with the Redis that the settings name.

    Raises:
        InvalidSettings: a variable is invalid.
        NotRunning: `REDIS_URL` is unset and no embedded server answers.
        RedisError: Redis cannot be reached, or refuses.
    """
    settings = load()
    return ask_at(locate(settings), settings.namespace, settings.sealer(), work)


def ask_at(url: str, namespace: str, encryption: Sealer, work: Callable[[Store], Awaitable[T]]) -> T:
    """Return the result of work with the Redis at `url`.

    Raises:
        RedisError: Redis cannot be reached, or refuses.
    """

    async def ask() -> T:
        async with connect(url, timeout=SECONDS, connections=4) as redis:
            return await work(Store(redis, namespace, encryption))

    return asyncio.run(ask())


def load_for_change() -> Settings:
    """Return the settings in force. With `RINGBACK_DRY_RUN` the command ends here, before anything is asked.

    Raises:
        InvalidSettings: a variable is invalid.
    """
    settings = load()
    if settings.dry_run:
        end_dry_run()
    return settings
