"""Group commit: concurrent webhooks share one round trip to Redis."""

import builtins
from collections.abc import Sequence

from redis.exceptions import BusyLoadingError, ConnectionError, RedisError, TimeoutError

from service.events.event_types import fits
from service.store.batching import Batcher, PendingAnswer
from service.store.inbox.accept import Acceptance, NewEvent, accept_packed, pack_event
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
        self._store = store
        self._encryption = store.encryption
        # Event types whose events come with digests of their number, by the answer to the latest batch.
        self._numbered: list[bytes] = []
        self._is_numbered: dict[str, bool] = {}
        self._batcher: Batcher[bytes, Acceptance] = Batcher(self._commit, passing=_PASSING, size=len, timeout=timeout)

    def submit(self, arrival: NewEvent, answer: PendingAnswer[Acceptance]) -> None:
        """Accept an event. The answer is set once it is durable. `explain` reads an error.

        Raises:
            NotAccepted: too many wait already.
        """
        self._batcher.add(self._packed(arrival), answer)

    def explain(self, error: Exception) -> Exception:
        """Return NotAccepted where an error says that Redis could not take an event in time, otherwise the error."""
        if isinstance(error, builtins.TimeoutError):
            trouble = self._batcher.trouble
            outage = f"Redis is unreachable ({describe_cause(trouble)})" if trouble else "Redis did not answer in time"
            return NotAccepted(outage)
        if isinstance(error, RedisError):
            return NotAccepted(f"Redis refuses writes ({describe_cause(error)})")
        return error

    async def accept(self, arrival: NewEvent) -> Acceptance:
        """Wait until the event is durable.

        Raises:
            NotAccepted: Redis could not take it in time, or too many wait already.
        """
        return await self._committed(self._packed(arrival))

    async def _committed(self, packed: bytes) -> Acceptance:
        try:
            return await self._batcher.submit(packed)
        except (builtins.TimeoutError, RedisError) as error:
            raise self.explain(error) from None

    def _packed(self, arrival: NewEvent) -> bytes:
        # Before it waits: the next batch goes out as soon as Redis has answered the one before.
        if len(self._batcher) >= MAX_WAITING:
            raise NotAccepted("too many events wait for Redis")
        number = arrival.number_digests(self._encryption) if self._needs_number(arrival.type) else b""
        return pack_event(arrival, self._encryption, number=number)

    def _needs_number(self, event_type: str) -> bool:
        if not self._numbered:
            return False
        if event_type not in self._is_numbered:
            self._is_numbered[event_type] = any(fits(each.decode(), event_type) for each in self._numbered)
        return self._is_numbered[event_type]

    async def _commit(self, arrivals: Sequence[bytes]) -> Sequence[Acceptance]:
        answers, types = await accept_packed(self._store, arrivals)
        if types is not None and types != self._numbered:
            self._numbered, self._is_numbered = types, {}
        return answers

    async def close(self) -> None:
        """Wait for the batch in flight."""
        await self._batcher.close(within=self._timeout)
