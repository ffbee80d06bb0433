"""Numbers of the whole deployment, as Redis has them at one moment: cheap enough to be asked for at any time."""

from dataclasses import dataclass

import orjson
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from service.store.connection import server_time
from service.store.scripts import script
from service.store.store import Store

QUEUE = script("queue")


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
    length, due, age, blocked = await store.run(QUEUE)
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
