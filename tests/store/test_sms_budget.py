"""The budget of segments: counted once per fallback, in any hour, and told of once."""

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from redis.asyncio import Redis

from service.store.connection import connect
from service.store.keys import Keys
from service.store.sms_budget import WINDOW, Reservation, reserve

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator["Redis"]:
    async with connect(redis_url, timeout=5, connections=2) as connected:
        yield connected


@pytest.fixture
def keys() -> Keys:
    return Keys(f"t{uuid4().hex[:12]}")


async def grow_older(redis: "Redis", keys: Keys, effect: str) -> None:
    """Let a reservation be one of an hour ago."""
    await redis.zincrby(f"{keys.namespace}:sms_budget", -WINDOW * 1000, effect)


async def test_segments_are_given_until_there_are_none(redis: "Redis", keys: Keys) -> None:
    given = [(await reserve(redis, keys, f"e{n}", segments=3, limit=10)).granted for n in range(4)]
    assert given == [True, True, True, False]
    assert (await reserve(redis, keys, "e4", segments=1, limit=10)).granted


async def test_trying_again_counts_nothing_twice(redis: "Redis", keys: Keys) -> None:
    for _ in range(5):
        assert (await reserve(redis, keys, "e0", segments=6, limit=10)).granted
    assert (await reserve(redis, keys, "e1", segments=4, limit=10)).granted
    assert (await reserve(redis, keys, "e0", segments=6, limit=10)).granted


async def test_a_person_is_told_once_an_hour(redis: "Redis", keys: Keys) -> None:
    await reserve(redis, keys, "e0", segments=1, limit=1)
    refused = [await reserve(redis, keys, f"e{n}", segments=1, limit=1) for n in range(1, 4)]
    assert [each.tell for each in refused] == [True, False, False]
    await redis.delete(f"{keys.namespace}:sms_budget:told")
    assert (await reserve(redis, keys, "e9", segments=1, limit=1)).tell


async def test_what_was_reserved_an_hour_ago_is_free_again(redis: "Redis", keys: Keys) -> None:
    await reserve(redis, keys, "e0", segments=2, limit=3)
    await reserve(redis, keys, "e1", segments=1, limit=3)
    refused = await reserve(redis, keys, "e2", segments=2, limit=3)
    assert WINDOW - 10 < refused.again_in <= WINDOW
    await grow_older(redis, keys, "e0")
    assert await reserve(redis, keys, "e2", segments=2, limit=3) == Reservation(granted=True, again_in=0, tell=False)
    assert not (await reserve(redis, keys, "e3", segments=1, limit=3)).granted


async def test_nothing_of_it_stays_for_ever(redis: "Redis", keys: Keys) -> None:
    await reserve(redis, keys, "e0", segments=1, limit=1)
    await reserve(redis, keys, "e1", segments=1, limit=1)
    found = [key async for key in redis.scan_iter(f"{keys.namespace}:*")]
    assert len(found) == 3
    assert all([await redis.pttl(key) > 0 for key in found])
