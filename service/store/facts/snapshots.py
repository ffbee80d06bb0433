"""Last known states of agents, requests and orders: kept for ever, changed in one step with the events they raise."""

from collections.abc import Sequence

from service.store.inbox.accept import NewEvent, pack_event
from service.store.scripts import Argument
from service.store.store import Store


async def snapshot(store: Store, kind: str, subject: str) -> bytes | None:
    """Return the last known state of a subject of this kind, or None where there is none."""
    stored: bytes | None = await store.redis.hget(store.keys.snapshot(kind), subject)  # type: ignore[misc]
    return stored


async def all_known(store: Store, kind: str) -> dict[str, bytes]:
    """Return the last known state of every subject of this kind."""
    stored: dict[bytes, bytes] = await store.redis.hgetall(store.keys.snapshot(kind))  # type: ignore[misc]
    return {subject.decode(): value for subject, value in stored.items()}


async def compare_and_set(
    store: Store, kind: str, subject: str, *, before: bytes | None, after: bytes, raised: Sequence[NewEvent] = ()
) -> bool:
    """Replace the state and raise events in one step. Return False and change nothing if it is no longer `before`.

    Raises:
        redis.exceptions.RedisError: it is not known whether it is stored. Look again, and decide anew.
    """
    args: list[Argument] = [kind, subject, before or b"", after]
    args += (pack_event(arrival, store.encryption) for arrival in raised)
    return bool(await store.run("compare_and_set", *args))


async def forget(store: Store, kind: str, subject: str) -> None:
    """Delete the state of a subject."""
    await store.redis.hdel(store.keys.snapshot(kind), subject)  # type: ignore[misc]


async def acquire_throttle(store: Store, name: str, holder: str, *, seconds: float) -> bool:
    """Return whether this holder has the throttle. The first one to ask has it for `seconds`."""
    had: bytes | None = await store.redis.set(
        store.keys.throttle(name), holder, nx=True, get=True, px=int(seconds * 1000)
    )
    return had is None or had == holder.encode()
