"""How much may be sent within an hour, for all workers together."""

from dataclasses import dataclass

from redis.asyncio import Redis

from service.store.keys import Keys
from service.store.scripts import run, script

SMS_BUDGET = script("sms_budget")
WINDOW = 3600.0


@dataclass(frozen=True, slots=True)
class Reservation:
    """Whether segments could be had; else in how many seconds some may be, and whether a person is to be told now."""

    granted: bool
    again_in: float
    tell: bool


async def reserve(redis: "Redis", keys: Keys, effect: str, *, segments: int, limit: int) -> Reservation:
    """Reserve segments for an effect, once, out of `limit` in any hour; `effect` is its idempotency key."""
    args = (keys.namespace, effect, segments, limit, int(WINDOW * 1000))
    granted, wait, tell = await run(redis, SMS_BUDGET, *args)
    return Reservation(granted == 1, wait / 1000, tell == 1)
