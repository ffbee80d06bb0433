"""Jobs in our queue that are nobody's: kept as dead events, so that a person can look at them."""

from service.store.scripts import script
from service.store.store import Store

QUARANTINE = script("quarantine")


async def quarantine(store: Store, job_id: str | bytes, reason: str, error: str) -> bool:
    """Take a job out of the queue and keep its data as a dead event; False where it has left the queue meanwhile."""
    name = job_id if isinstance(job_id, str) else job_id.decode(errors="backslashreplace")
    return bool(await store.run(QUARANTINE, job_id, reason, error, name))
