"""The account's own link domains, as Telnyx told of them lately."""

from collections.abc import Collection

import orjson

from service.store.store import Store

HOUR = 3600


async def known_url_domains(store: Store) -> frozenset[str] | None:
    """The domains, or None where nobody has asked for them within the hour."""
    stored: bytes | None = await store.redis.get(store.keys.url_domains)
    return None if stored is None else frozenset(orjson.loads(stored))


async def remember_url_domains(store: Store, domains: Collection[str]) -> None:
    """Keep the domains for an hour."""
    await store.redis.set(store.keys.url_domains, orjson.dumps(sorted(domains)), ex=HOUR)
