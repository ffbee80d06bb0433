"""The regions that we have sent to lately, and the countries of a profile's own numbers."""

from collections.abc import Collection

import orjson

from service import clock
from service.store.store import Store

HOUR = 3600


async def note_sent(store: Store, regions: Collection[str]) -> None:
    """Remember that we have sent to these regions."""
    if regions:
        await store.redis.zadd(store.keys.sent_regions, dict.fromkeys(regions, int(clock.now() * 1000)))


async def has_sent_to(store: Store, region: str, *, within: float) -> bool:
    """Return whether we have sent to a region within so many seconds."""
    at: float | None = await store.redis.zscore(store.keys.sent_regions, region)
    return at is not None and at / 1000 >= clock.now() - within


async def known_profile_countries(store: Store, profile_id: str) -> frozenset[str] | None:
    """Return the countries of a profile's numbers; None where nobody has asked for them within the hour."""
    stored: bytes | None = await store.redis.get(store.keys.profile_countries(profile_id))
    return None if stored is None else frozenset(orjson.loads(stored))


async def remember_profile_countries(store: Store, profile_id: str, countries: Collection[str]) -> None:
    """Keep the countries of a profile's numbers for an hour."""
    await store.redis.set(store.keys.profile_countries(profile_id), orjson.dumps(sorted(countries)), ex=HOUR)
