"""Failed messages of one code and sender within a span of time."""

import hashlib

from service.store.store import Store


async def count_failure(store: Store, subject: str, event_id: str, *, within: float, most: int) -> int:
    """Count the failure that an event reports, once. Return how many there were within so many seconds.

    No more than `most` are kept and counted. `subject` is the code and the sender.

    Raises:
        redis.exceptions.RedisError: the server cannot be reached, or refuses.
    """
    digest = hashlib.sha256(subject.encode()).hexdigest()[:32]
    return int(await store.run("delivery_failure", digest, event_id, int(within * 1000), most))
