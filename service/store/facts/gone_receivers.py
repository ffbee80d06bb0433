"""Receivers of forwarded events that answered 410: no worker forwards to them."""

from redis.asyncio import Redis

from service.store.keys import Keys


async def note_gone(redis: "Redis", keys: Keys, url: str) -> None:
    """Remember, without an end, that this URL wants nothing more."""
    await redis.set(keys.gone_receiver(url), b"1")


async def is_gone(redis: "Redis", keys: Keys, url: str) -> bool:
    """Whether this URL wants nothing more."""
    return bool(await redis.exists(keys.gone_receiver(url)))
