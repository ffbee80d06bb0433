"""The readings of Telnyx's list of opt-outs: when they were, and who reads it now."""

from service.store.store import Store


async def list_read_at(store: Store) -> tuple[float | None, float | None]:
    """Return when Telnyx's list of opt-outs was last read whole, and when its latest rows were (seconds since 1970)."""
    keys = (store.keys.optouts_read, store.keys.optouts_latest_read)
    whole, latest = [await store.redis.get(key) for key in keys]
    return (None if whole is None else int(whole) / 1000, None if latest is None else int(latest) / 1000)


async def note_list_read(store: Store, *, at: float, whole: bool) -> None:
    """Remember a reading of Telnyx's list to its end that began `at`. A whole one has the latest rows too."""
    for key in (store.keys.optouts_read, store.keys.optouts_latest_read)[0 if whole else 1 :]:
        await store.redis.set(key, int(at * 1000))


async def take_list_lock(store: Store, *, seconds: float) -> bool:
    """Return whether the caller is the one to read Telnyx's list within the next `seconds`."""
    return bool(await store.redis.set(store.keys.optouts_reader, "1", nx=True, ex=int(seconds)))
