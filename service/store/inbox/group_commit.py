"""Group commit: concurrent webhook requests share one round trip to Redis."""

import asyncio
import builtins
from collections.abc import Sequence

from redis.exceptions import BusyLoadingError, ConnectionError, RedisError, TimeoutError

from service.store.inbox.accept import Acceptance, NewEvent, accept
from service.store.inbox.batching import Batcher
from service.store.redis_errors import describe_cause
from service.store.store import Store

MOST_WAITING = 10_000

_PASSING = (ConnectionError, TimeoutError, BusyLoadingError, OSError)


class NotAccepted(Exception):
    """Redis did not take the event in time. It may still be stored: a redelivery will be answered by what is there."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class GroupCommit:
    """Accepts events one at a time for its callers and in batches for Redis; `patience` is seconds for each caller."""

    def __init__(self, store: Store, *, patience: float) -> None:
        self._store = store
        self._patience = patience
        self._batcher: Batcher[NewEvent, Acceptance] = Batcher(
            self._accept, passing=_PASSING, size=lambda arrival: len(arrival.body)
        )

    async def accept(self, arrival: NewEvent) -> Acceptance:
        """Wait until the event is durable.

        Raises:
            NotAccepted: Redis could not take it within the patience, or too many wait already.
        """
        if len(self._batcher) >= MOST_WAITING:
            raise NotAccepted("too many events wait for Redis")
        try:
            async with asyncio.timeout(self._patience):
                return await self._batcher.submit(arrival)
        except builtins.TimeoutError:
            raise NotAccepted(_outage(self._batcher.trouble)) from None
        except RedisError as error:
            raise NotAccepted(f"Redis refuses writes ({describe_cause(error)})") from None

    async def close(self) -> None:
        """Wait for what is in flight."""
        await self._batcher.close(patience=self._patience)

    async def _accept(self, arrivals: Sequence[NewEvent]) -> Sequence[Acceptance]:
        return await accept(self._store, arrivals)


def _outage(trouble: Exception | None) -> str:
    return f"Redis is unreachable ({describe_cause(trouble)})" if trouble else "Redis did not answer in time"
