"""Receivers of forwarded events that answered 410: no worker forwards to them."""

from service.store.store import Store


async def note_gone(store: Store, url: str) -> None:
    """Remember, without an end, that this URL wants nothing more."""
    await store.redis.set(store.keys.gone_receiver(url), b"1")


async def is_gone(store: Store, url: str) -> bool:
    """Whether this URL wants nothing more."""
    return bool(await store.redis.exists(store.keys.gone_receiver(url)))
