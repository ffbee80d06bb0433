"""Group commit: concurrent requests share one round trip to Redis.

The next batch gathers while one is in flight; a lone request never waits for company.
"""

import asyncio
import builtins
from collections import deque
from dataclasses import dataclass

from redis.asyncio import Redis
from redis.exceptions import BusyLoadingError, ConnectionError, ReadOnlyError, RedisError, TimeoutError  # noqa: A004

from service.store.inbox import Acceptance, Arrival, accept
from service.store.keys import Keys

MOST_EVENTS = 256
MOST_BYTES = 1024**2
MOST_WAITING = 10_000
PAUSE = 0.05
"""Seconds between tries while Redis is away."""

_PASSING = (ConnectionError, TimeoutError, BusyLoadingError, ReadOnlyError, OSError)


class NotAccepted(Exception):  # noqa: N818 - an answer, not a crash
    """Redis did not take the event in time. It may still be stored: a redelivery will be answered by what is there."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class _Waiting:
    arrival: Arrival
    answer: "asyncio.Future[Acceptance]"


class GroupCommit:
    """Accepts events one at a time for its callers and in batches for Redis; `patience` is seconds for each caller."""

    def __init__(self, redis: "Redis", keys: Keys, *, patience: float) -> None:
        self._redis = redis
        self._keys = keys
        self._patience = patience
        self._waiting: deque[_Waiting] = deque()
        self._flushing: asyncio.Task[None] | None = None
        self._trouble = "Redis did not answer in time"

    async def accept(self, arrival: Arrival) -> Acceptance:
        """Wait until the event is durable.

        Raises:
            NotAccepted: Redis could not take it within the patience, or too many wait already.
        """
        if len(self._waiting) >= MOST_WAITING:
            raise NotAccepted("too many events wait for Redis")
        answer: asyncio.Future[Acceptance] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(arrival, answer))
        if self._flushing is None:
            self._flushing = asyncio.create_task(self._flush())
        try:
            async with asyncio.timeout(self._patience):
                return await answer
        except builtins.TimeoutError:
            raise NotAccepted(self._trouble) from None

    async def close(self) -> None:
        """Wait for what is in flight."""
        if self._flushing is not None:
            await asyncio.wait([self._flushing], timeout=self._patience)

    async def _flush(self) -> None:
        """Commit batch after batch; in a task of its own, so that a caller who goes away leaves no half-read reply."""
        try:
            while batch := self._next_batch():
                await self._commit(batch)
        finally:
            self._flushing = None

    def _next_batch(self) -> list[_Waiting]:
        batch: list[_Waiting] = []
        size = 0
        while self._waiting and len(batch) < MOST_EVENTS:
            item = self._waiting[0]
            size += len(item.arrival.body)
            if batch and size > MOST_BYTES:
                break
            self._waiting.popleft()
            if not item.answer.done():
                batch.append(item)
        return batch

    async def _commit(self, batch: list[_Waiting]) -> None:
        while batch := [item for item in batch if not item.answer.done()]:
            try:
                answers = await accept(self._redis, self._keys, [item.arrival for item in batch])
            except _PASSING as error:
                self._trouble = f"Redis is away ({type(error).__name__})"
                await asyncio.sleep(PAUSE)
            except RedisError as error:
                _refuse(batch, f"Redis refuses writes ({_kind(error)})")
            else:
                _hand_out(batch, answers)
                return


def _hand_out(batch: list[_Waiting], answers: list[Acceptance]) -> None:
    for item, answer in zip(batch, answers, strict=True):
        if not item.answer.done():
            item.answer.set_result(answer)


def _refuse(batch: list[_Waiting], reason: str) -> None:
    for item in batch:
        if not item.answer.done():
            item.answer.set_exception(NotAccepted(reason))


def _kind(error: RedisError) -> str:
    """`OutOfMemoryError`, say; where the client knows no type for it, the server's own first word, such as `MISCONF`."""
    known = type(error).__name__
    return (str(error).split() or [known])[0] if known == "ResponseError" else known
