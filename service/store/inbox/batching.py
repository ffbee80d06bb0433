"""Batching: callers hand in items one at a time, Redis gets them in batches.

The next batch gathers while one is in flight; a lone item never waits for company. The batches run in a task of their
own, so that a caller who goes away cannot leave a half-read reply on the connection.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from service.store.cancellation import check_cancelled

Item = TypeVar("Item")
Answer = TypeVar("Answer")

PAUSE = 0.05
"""Seconds between tries while Redis is away."""


@dataclass(frozen=True, slots=True)
class _Waiting(Generic[Item, Answer]):
    item: Item
    answer: "asyncio.Future[Answer]"


class Batcher(Generic[Item, Answer]):
    """Commits items in batches of at most `most_items` and about `most_bytes`.

    A batch that fails with one of `passing` is tried again as long as somebody waits for it, so `commit` must be
    repeatable; any other error goes to those who wait.
    """

    def __init__(
        self,
        commit: Callable[[Sequence[Item]], Awaitable[Sequence[Answer]]],
        *,
        passing: tuple[type[Exception], ...],
        most_items: int = 256,
        most_bytes: int = 1024**2,
        size: Callable[[Item], int] = lambda _: 0,
    ) -> None:
        self._commit = commit
        self._passing = passing
        self._most_items = most_items
        self._most_bytes = most_bytes
        self._size = size
        self._waiting: deque[_Waiting[Item, Answer]] = deque()
        self._flushing: asyncio.Task[None] | None = None
        self.trouble: Exception | None = None
        """The latest error that was waited out; None once a batch went through."""

    def __len__(self) -> int:
        return len(self._waiting)

    async def submit(self, item: Item) -> Answer:
        """Wait until the item is committed; a caller who stops waiting may find it committed all the same."""
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(item, answer))
        if self._flushing is None:
            # A task of its own: a caller that is cancelled must not cut the batch of the others off.
            self._flushing = asyncio.create_task(self._flush())
        return await answer

    async def close(self, *, patience: float) -> None:
        """Wait for what is in flight, at most `patience` seconds, and give up the rest."""
        if self._flushing is not None:
            await asyncio.wait([self._flushing], timeout=patience)
        if self._flushing is not None:
            self._flushing.cancel()
            await asyncio.gather(self._flushing, return_exceptions=True)

    async def _flush(self) -> None:
        try:
            while batch := self._next_batch():
                await self._commit_patiently(batch)
                check_cancelled()
        finally:
            self._flushing = None

    def _next_batch(self) -> list[_Waiting[Item, Answer]]:
        batch: list[_Waiting[Item, Answer]] = []
        size = 0
        while self._waiting and len(batch) < self._most_items:
            size += self._size(self._waiting[0].item)
            if batch and size > self._most_bytes:
                break
            # In order of arrival, so that no item waits for later ones.
            waiting = self._waiting.popleft()
            if not waiting.answer.done():
                batch.append(waiting)
        return batch

    async def _commit_patiently(self, batch: list[_Waiting[Item, Answer]]) -> None:
        while batch := [waiting for waiting in batch if not waiting.answer.done()]:
            try:
                answers = await self._commit([waiting.item for waiting in batch])
            except self._passing as error:
                self.trouble = error
                check_cancelled()
                await asyncio.sleep(PAUSE)
            except Exception as error:  # noqa: BLE001 - it belongs to those who wait
                _fail(batch, error)
            else:
                self.trouble = None
                _hand_out(batch, answers)


def _hand_out(batch: Sequence[_Waiting[Item, Answer]], answers: Sequence[Answer]) -> None:
    for waiting, answer in zip(batch, answers, strict=True):
        if not waiting.answer.done():
            waiting.answer.set_result(answer)


def _fail(batch: Sequence[_Waiting[Item, Answer]], error: Exception) -> None:
    for waiting in batch:
        if not waiting.answer.done():
            waiting.answer.set_exception(error)
