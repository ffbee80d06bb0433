"""The account's own link domains, as Telnyx told of them lately."""

from collections.abc import Collection

import orjson
from redis.asyncio import Redis

from service.store.keys import Keys

HOUR = 3600


async def known_url_domains(redis: "Redis", keys: Keys) -> frozenset[str] | None:
    """The domains, or None where nobody has asked for them within the hour."""
    stored: bytes | None = await redis.get(keys.url_domains)
    return None if stored is None else frozenset(orjson.loads(stored))


async def remember_url_domains(redis: "Redis", keys: Keys, domains: Collection[str]) -> None:
    """Keep the domains for an hour."""
    await redis.set(keys.url_domains, orjson.dumps(sorted(domains)), ex=HOUR)
