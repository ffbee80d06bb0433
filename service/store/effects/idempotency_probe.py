"""The last probe of Telnyx's memory of `Idempotency-Key`."""

from dataclasses import asdict, dataclass

import orjson
from redis.asyncio import Redis

from service.store.keys import Keys


@dataclass(frozen=True, slots=True)
class Probe:
    """One probe: when it was made (seconds since 1970), and whether Telnyx replayed its first answer."""

    at: float
    replayed: bool


async def remember(redis: "Redis", keys: Keys, probe: Probe) -> None:
    """Keep the result of a probe, in place of the one before."""
    await redis.set(keys.idempotency_probe, orjson.dumps(asdict(probe)))


async def latest(redis: "Redis", keys: Keys) -> Probe | None:
    """The last probe, or None where there was none."""
    kept: bytes | None = await redis.get(keys.idempotency_probe)
    return None if kept is None else Probe(**orjson.loads(kept))
