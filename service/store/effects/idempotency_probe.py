"""The last probe of Telnyx's memory of `Idempotency-Key`."""

from dataclasses import asdict, dataclass

import orjson

from service.store.store import Store


@dataclass(frozen=True, slots=True)
class Probe:
    """One probe: when it was made (seconds since 1970), and whether Telnyx replayed its first answer."""

    at: float
    replayed: bool


async def remember(store: Store, probe: Probe) -> None:
    """Keep the result of a probe, in place of the one before."""
    await store.redis.set(store.keys.idempotency_probe, orjson.dumps(asdict(probe)))


async def latest(store: Store) -> Probe | None:
    """The last probe, or None where there was none."""
    kept: bytes | None = await store.redis.get(store.keys.idempotency_probe)
    return None if kept is None else Probe(**orjson.loads(kept))
