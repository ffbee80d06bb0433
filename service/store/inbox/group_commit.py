"""Group commit: concurrent webhooks share one round trip to Redis."""

import asyncio
import builtins
from contextlib import suppress
from functools import partial

from redis.exceptions import BusyLoadingError, ConnectionError, RedisError, TimeoutError

from service.store.batching import Batcher
from service.store.inbox.accept import Acceptance, NewEvent, accept
from service.store.redis_errors import describe_cause
from service.store.store import Store

MAX_WAITING = 10_000

_PASSING = (ConnectionError, TimeoutError, BusyLoadingError, OSError)


class NotAccepted(Exception):
    """Redis did not take the event in time. It may still be stored, and a redelivery then finds it."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class GroupCommit:
    """Accepts events one at a time for its callers and in batches for Redis. `timeout` is seconds for each caller."""

    def __init__(self, store: Store, *, timeout: float) -> None:
        self._timeout = timeout
        self._batcher: Batcher[NewEvent, Acceptance] = Batcher(
            partial(accept, store), passing=_PASSING, size=lambda arrival: len(arrival.body), timeout=timeout
        )

    def submit(self, arrival: NewEvent) -> "asyncio.Future[Acceptance]":
        """Return the answer, which is there once the event is durable. `acceptance` reads it.

        Raises:
            NotAccepted: too many wait already.
        """
        if len(self._batcher) >= MAX_WAITING:
            raise NotAccepted("too many events wait for Redis")
        return self._batcher.submit(arrival)

    def acceptance(self, answer: "asyncio.Future[Acceptance]") -> Acceptance:
        """Read an answer that is there.

        Raises:
            NotAccepted: Redis could not take the event in time.
        """
        try:
            return answer.result()
        except builtins.TimeoutError:
            trouble = self._batcher.trouble
            outage = f"Redis is unreachable ({describe_cause(trouble)})" if trouble else "Redis did not answer in time"
            raise NotAccepted(outage) from None
        except RedisError as error:
            raise NotAccepted(f"Redis refuses writes ({describe_cause(error)})") from None

    async def accept(self, arrival: NewEvent) -> Acceptance:
        """Wait until the event is durable.

        Raises:
            NotAccepted: Redis could not take it in time, or too many wait already.
        """
        answer = self.submit(arrival)
        with suppress(builtins.TimeoutError, RedisError):
            await answer
        return self.acceptance(answer)

    async def close(self) -> None:
        """Wait for the batch in flight."""
        await self._batcher.close(within=self._timeout)
