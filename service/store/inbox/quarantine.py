"""Jobs in our queue that are nobody's: kept as dead events, so that a person can look at them."""

from redis.asyncio import Redis

from service.store.keys import Keys
from service.store.scripts import run, script

QUARANTINE = script("quarantine")


async def quarantine(redis: "Redis", keys: Keys, job_id: str | bytes, reason: str, error: str) -> bool:
    """Take a job out of the queue and keep its data as a dead event; False where it has left the queue meanwhile."""
    name = job_id if isinstance(job_id, str) else job_id.decode(errors="backslashreplace")
    return bool(await run(redis, QUARANTINE, keys.namespace, job_id, reason, error, name))
