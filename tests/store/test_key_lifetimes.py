"""How long each key is kept: what nobody writes any more expires, and what counts for ever does not."""

from collections import defaultdict

from redis.asyncio import Redis

from service.store.store import Store
from tests.stack import Stack
from tests.store.release_data import fill

BUSY = 120_000
"""Milliseconds that may pass between the write of a key and the look at it."""
MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
LIFETIMES: dict[str, set[int | None]] = {
    "cancelled": {7 * DAY},
    "claim": {DAY},
    "content": {HOUR},
    "dead_notified": {HOUR},
    "delivery_failures": {DAY},
    "draining": {DAY},
    "dropped": {7 * DAY},
    "effect": {7 * DAY, None},
    "handler_times": {25 * HOUR},
    "held": {DAY},
    "job": {7 * DAY, None},
    "job_ids": {7 * DAY, None},
    "maintenance": {10_000},
    "message": {7 * DAY},
    "minute": {8 * DAY},
    "notified": {MINUTE},
    "profile_countries": {HOUR},
    "queue": {30_000, None},
    "rcs": {31 * DAY},
    "readyz": {MINUTE},
    "replies": {HOUR},
    "reply_budget": {HOUR},
    "session": {DAY},
    "sign_ins": {DAY},
    "slots": {10_000},
    "sms_budget": {2 * HOUR},
    "throttle": {DAY},
    "url_domains": {HOUR},
}
"""Milliseconds by the first word of a key. None stands for ever: an event with its effects, or a job that goes on."""


async def kept(store: Store) -> dict[str, set[int]]:
    """The milliseconds for which keys are kept, by the first words of their names."""
    redis: Redis = store.redis
    found = defaultdict[str, set[int]](set)
    async for key in redis.scan_iter(f"{store.namespace}:*", count=1000):
        found[key.decode().split(":")[1]].add(await redis.pttl(key))
    return found


def is_one_of(left: int, lifetimes: set[int | None]) -> bool:
    return any(left == -1 if each is None else each - BUSY < left <= each for each in lifetimes)


def test_each_key_is_kept_as_long_as_it_counts(stack: Stack) -> None:
    fill(stack)
    wrong = {
        name: left
        for name, times in stack.ask(kept).items()
        for left in times
        if not is_one_of(left, LIFETIMES.get(name, {None}))
    }
    assert wrong == {}
