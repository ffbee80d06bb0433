"""How long the memory of Redis lasts at today's rate of events."""

from dataclasses import dataclass

from redis.exceptions import ResponseError

from service.store.store import Store

DAY = 86_400
ENOUGH = 0.8
"""Share of the memory above which bodies of ended events go early."""


@dataclass(frozen=True, slots=True)
class MemoryForecast:
    """Bytes that are used and that there are, and what events take of them."""

    used: int
    limit: int
    events_today: int
    bytes_an_event: int

    @property
    def days(self) -> float | None:
        """The days until bodies of ended events go early, if nothing is forgotten before; None without events."""
        growth = self.events_today * self.bytes_an_event
        return max(0.0, self.limit * ENOUGH - self.used) / growth if growth else None

    def __str__(self) -> str:
        room = f"{self.used / 1e6:,.0f} of {self.limit / 1e6:,.0f} MB are used"
        if self.days is None:
            return f"{room}, and no event came today"
        return (
            f"{room}; today's {self.events_today:,} events of {self.bytes_an_event:,} bytes leave room for"
            f" {self.days:,.1f} days, and longer as bodies and events are forgotten"
        )


async def forecast_memory(store: Store, now: float) -> MemoryForecast | None:
    """Return the forecast, `now` in seconds since 1970; None where the server does not let this user see its memory.

    Raises:
        redis.exceptions.RedisError: the server cannot be reached.
    """
    try:
        memory = await store.redis.info("memory")
    except ResponseError:
        return None
    known: int = await store.redis.zcard(store.keys.events)
    today: int = await store.redis.zcount(store.keys.events, (now - DAY) * 1000, "+inf")
    used = int(memory["used_memory"])
    kept = max(0, used - int(memory.get("used_memory_startup", 0)))
    limit = int(memory.get("maxmemory", 0)) or int(memory.get("total_system_memory", 0))
    return MemoryForecast(used, limit, today, kept // known if known else 0) if limit else None
