"""Maintenance of the inbox in small steps, and the numbers of the whole deployment that it and people look at."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from service.store.connection import server_time
from service.store.effects.blocks import Block, sorted_blocks
from service.store.store import Store

STEP = 50
"""Records that one script may change: a millisecond or two in which the server does nothing else."""
LOOK = 250
"""Records that one script may look at."""
DAY = 86_400
ENOUGH = 0.8
"""Share of the memory above which bodies of ended events go early."""


@dataclass(frozen=True, slots=True)
class Backlog:
    """The number of events that a handler has left open, after a run or held. `age` is seconds since the first."""

    events: int
    age: float


@dataclass(frozen=True, slots=True)
class Queue:
    """The length of the queue, how many events wait for a worker, and for how long the first one does.

    `age` is seconds since the earliest due time, or 0 where nothing is due. The events of a worker whose event loop is
    blocked count as due since then. `blocked_workers` is the number of such workers, `workers` that of all live ones.
    `turns` are the numbers of events that wait for an earlier one of the same key, by handler. `backlogs` are the
    events that each handler has left open.
    """

    length: int
    due: int
    age: float
    blocked_workers: int
    workers: int = 0
    turns: Mapping[str, int] = field(default_factory=dict)
    backlogs: Mapping[str, Backlog] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes that the server uses, and may use. `limit` is None where only the machine limits it."""

    used: int
    limit: int | None


@dataclass(frozen=True, slots=True)
class MemoryForecast:
    """Bytes that are used and that there are, and what events take of them."""

    used: int
    used_at_start: int
    limit: int
    events_today: int
    bytes_an_event: int

    @property
    def days(self) -> float | None:
        """The days until bodies of ended events are pruned early, None without events."""
        growth = self.events_today * self.bytes_an_event
        return max(0.0, self.limit * ENOUGH - self.used) / growth if growth else None

    def __str__(self) -> str:
        room = f"{self.used / 1e6:,.0f} of {self.limit / 1e6:,.0f} MB are used"
        if self.days is None:
            return f"{room}, and no event came today"
        return (
            f"{room}, and today's {self.events_today:,} events of {self.bytes_an_event:,} bytes leave room for"
            f" {self.days:,.1f} days, and longer as events expire"
        )


@dataclass(frozen=True, slots=True)
class MaintenanceDue:
    """The maintenance that is due: `steps` by name, for this worker to take if it has the lock (`is_ours`).

    `looked_at` counts the events among which lost ones were looked for. `memory_share` is the used share of the
    server's memory limit. It is 0 without a limit or without the right to see it.
    """

    is_ours: bool
    blocks: list[Block]
    steps: frozenset[str]
    looked_at: int
    memory_share: float


async def due(
    store: Store,
    worker: str,
    *,
    lock: float,
    retention: float,
    dead_retention: float,
    body_retention: float,
    first: int,
) -> MaintenanceDue:
    """Return what is due. Ages and `lock`, for which this worker has the maintenance, are in seconds."""
    ages = (int(each * 1000) for each in (lock, retention, dead_retention, body_retention))
    ours, blocks, steps, looked_at, per_mille = await store.run("maintenance_due", worker, *ages, first, LOOK)
    names = frozenset(each.decode() for each in steps)
    return MaintenanceDue(bool(ours), sorted_blocks(store, blocks), names, looked_at, per_mille / 1000)


async def expire(store: Store, *, retention: float, dead_retention: float) -> int:
    """Delete some events that ended longer ago than this many seconds. Return how many."""
    return int(await store.run("expire", int(retention * 1000), int(dead_retention * 1000), STEP))


async def prune_bodies(store: Store, *, older_than: float) -> int:
    """Delete some bodies of events that ended well longer ago than this many seconds. Return how many."""
    return int(await store.run("prune_bodies", int(older_than * 1000), STEP))


async def sweep(store: Store, *, first: int) -> int:
    """Put back those of some events that the queue has lost, and return how many. `first` is a rank by acceptance."""
    put_back: int = await store.run("sweep", first, LOOK)
    return put_back


async def queue(store: Store) -> Queue:
    """Return the numbers of the queue at one moment."""
    length, due, age, blocked, workers, turns, left_open = await store.run("queue")
    waiting = {name.decode(): number for name, number in zip(turns[::2], turns[1::2], strict=True)}
    backlogs = {
        name.decode(): Backlog(number, since / 1000)
        for name, number, since in zip(left_open[::3], left_open[1::3], left_open[2::3], strict=True)
    }
    return Queue(length, due, age / 1000, blocked, workers, waiting, backlogs)


async def blocked_workers(store: Store) -> list[str]:
    """Return where each blocked event loop stands: `the handler slow at my_handlers.py:12 in slow`."""
    known, now = await store.redis.hgetall(store.keys.blocked), await server_time(store.redis)  # type: ignore[misc]
    return [each["place"] for each in map(orjson.loads, known.values()) if each["till"] > now]


async def memory(redis: "Redis") -> Memory | None:
    """Return the server's memory, or None where this user may not see it."""
    told = await _memory_info(redis)
    return Memory(int(told["used_memory"]), int(told.get("maxmemory", 0)) or None) if told else None


async def memory_share(redis: "Redis") -> float:
    """Return the used share of the server's memory limit, 0 without a limit or without the right to see it."""
    told = await _memory_info(redis)
    limit = int(told.get("maxmemory", 0))
    # The server leaves its buffers for the file and the replicas out of what it compares with the limit.
    return (int(told["used_memory"]) - int(told.get("mem_not_counted_for_evict", 0))) / limit if limit else 0.0


async def forecast_memory(store: Store, now: float) -> MemoryForecast | None:
    """Return the forecast at `now` (seconds since 1970), None without the right to see the memory.

    Raises:
        redis.exceptions.RedisError: the server cannot be reached.
    """
    told = await _memory_info(store.redis)
    limit = int(told.get("maxmemory", 0)) or int(told.get("total_system_memory", 0))
    if not limit:
        return None
    known: int = await store.redis.zcard(store.keys.events)
    today: int = await store.redis.zcount(store.keys.events, (now - DAY) * 1000, "+inf")
    used, at_start = int(told["used_memory"]), int(told.get("used_memory_startup", 0))
    stored = max(0, used - at_start)
    return MemoryForecast(used, at_start, limit, today, stored // known if known else 0)


async def _memory_info(redis: "Redis") -> dict[str, Any]:
    try:
        told: dict[str, Any] = await redis.info("memory")
    except ResponseError:
        # INFO only advises: a user without the right to it loses nothing else.
        return {}
    return told
