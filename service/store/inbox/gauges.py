"""Numbers of the whole deployment, as Redis has them at one moment: cheap enough to be asked for at any time."""

from dataclasses import dataclass

import orjson
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from service.store.connection import server_time
from service.store.store import Store


@dataclass(frozen=True, slots=True)
class Queue:
    """How many events are in the queue, how many of them wait for a worker, and the first of those for how long.

    `age` is seconds since the earliest due time; 0 where nothing is due. The events of a worker whose event loop is
    blocked count as due since then; `blocked_workers` is the number of such workers.
    """

    length: int
    due: int
    age: float
    blocked_workers: int


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes that the server uses, and may use; `limit` is None where only the machine limits it."""

    used: int
    limit: int | None


async def queue(store: Store) -> Queue:
    """The queue at one moment."""
    length, due, age, blocked = await store.run("queue")
    return Queue(length, due, age / 1000, blocked)


async def blocked_workers(store: Store) -> list[str]:
    """Where the event loop of each blocked worker stands: `the handler slow at my_handlers.py:12 in slow`."""
    known, now = await store.redis.hgetall(store.keys.blocked), await server_time(store.redis)  # type: ignore[misc]
    return [each["place"] for each in map(orjson.loads, known.values()) if each["till"] > now]


async def memory(redis: "Redis") -> Memory | None:
    """The server's memory; None where this user may not see it."""
    try:
        told = await redis.info("memory")
    except ResponseError:
        # INFO only advises: the other numbers are told all the same.
        return None
    return Memory(int(told["used_memory"]), int(told.get("maxmemory", 0)) or None)


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
