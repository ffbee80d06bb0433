"""Numbers of the whole deployment, as Redis has them at one moment: cheap enough to be asked for at any time."""

from dataclasses import dataclass

from redis.asyncio import Redis
from redis.exceptions import ResponseError

from service.store.keys import Keys
from service.store.scripts import run, script

QUEUE = script("queue")


@dataclass(frozen=True, slots=True)
class Queue:
    """How many events are in the queue, how many of them wait for a worker, and the first of those for how long.

    `age` is seconds since the earliest due time; 0 where nothing is due.
    """

    length: int
    due: int
    age: float


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes that the server uses, and may use; `limit` is None where only the machine limits it."""

    used: int
    limit: int | None


async def queue(redis: "Redis", keys: Keys) -> Queue:
    """The queue at one moment."""
    length, due, age = await run(redis, QUEUE, keys.namespace)
    return Queue(length, due, age / 1000)


async def memory(redis: "Redis") -> Memory | None:
    """The server's memory; None where this user may not see it."""
    try:
        told = await redis.info("memory")
    except ResponseError:
        # INFO only advises: the other numbers are told all the same.
        return None
    return Memory(int(told["used_memory"]), int(told.get("maxmemory", 0)) or None)
