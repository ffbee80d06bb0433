"""Upkeep: forgetting what ended long ago, and putting back what was lost from the queue; in small steps."""

from dataclasses import dataclass

from redis.asyncio import Redis
from redis.exceptions import ResponseError

from service.store.store import Store

STEP = 50
"""Records that one script may change: a millisecond or two in which the server does nothing else."""
LOOK = 250
"""Records that one script may look at."""


@dataclass(frozen=True, slots=True)
class Swept:
    """How many events a sweep looked at, and how many it put back into the queue."""

    looked_at: int
    put_back: int


async def take_lock(store: Store, worker: str, *, seconds: float) -> bool:
    """Whether this worker does the upkeep for the next `seconds`."""
    return bool(await store.run("maintenance_lock", worker, int(seconds * 1000)))


async def expire(store: Store, *, retention: float, dead_retention: float) -> int:
    """Forget some of what ended longer ago than this many seconds; answers how many events."""
    arguments = (int(retention * 1000), int(dead_retention * 1000), STEP)
    forgotten: int = await store.run("expire", *arguments)
    return forgotten


async def prune_bodies(store: Store, *, older_than: float) -> int:
    """Let go of some bodies of events that ended well longer ago than this many seconds; answers how many."""
    let_go: int = await store.run("prune_bodies", int(older_than * 1000), STEP)
    return let_go


async def sweep(store: Store, *, first: int) -> Swept:
    """Look at some events, from this rank by time of acceptance on."""
    looked_at, put_back = await store.run("sweep", first, LOOK)
    return Swept(looked_at, put_back)


async def memory_share(redis: "Redis") -> float:
    """How much of its memory limit the server uses; 0 where it has none, or does not let this user see it."""
    try:
        memory = await redis.info("memory")
    except ResponseError:
        # INFO only advises: a user without the right to it loses nothing else.
        return 0.0
    limit = int(memory.get("maxmemory", 0))
    # The server leaves its buffers for the file and the replicas out of what it compares with the limit.
    used = int(memory["used_memory"]) - int(memory.get("mem_not_counted_for_evict", 0))
    return used / limit if limit else 0.0
