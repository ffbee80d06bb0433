"""What numbers have said about being written to, and how often they were answered lately."""

from typing import Literal

from redis.asyncio import Redis

from service.store.keys import Keys
from service.store.scripts import run, script

CONSENT = script("consent")
REPLY = script("reply")


async def record(redis: "Redis", keys: Keys, number: str, said: Literal["out", "in"], *, at: float) -> bool:
    """Remember an opt-out or opt-in said `at` (seconds since 1970); answers whether it changed what is known."""
    return bool(await run(redis, CONSENT, keys.namespace, number, said, int(at * 1000)))


async def opted_out(redis: "Redis", keys: Keys, number: str) -> bool:
    """Whether the latest word of this number was an opt-out."""
    known: bytes | None = await redis.hget(keys.optouts, number)  # type: ignore[misc]
    return known is not None and known.startswith(b"out ")


async def may_answer(redis: "Redis", keys: Keys, number: str, *, effect_key: str, limit: int, window: float) -> bool:
    """Whether one more answer may go to this number: at most `limit` within `window` seconds of the latest."""
    return bool(await run(redis, REPLY, keys.namespace, number, effect_key, limit, int(window * 1000)))
