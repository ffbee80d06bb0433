"""Batching: callers hand in items one at a time, Redis gets them in batches.

The next batch gathers while one is in flight. A lone item never waits for company. The batches run in a task of their
own. So a cancelled caller cannot leave a half-read reply on the connection.
"""

import asyncio
import builtins
import contextvars
import math
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from functools import cached_property
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from service.store.scripts import is_script_error
from service.store.store import ScriptCall, Store, check_cancelled

Item = TypeVar("Item")
Answer = TypeVar("Answer")

PAUSE = 0.05
"""Seconds between tries while Redis does not answer."""
MAX_ITEMS = 256
MAX_BYTES = 1024**2
"""Limits of one batch."""


Answer_contra = TypeVar("Answer_contra", contravariant=True)


class PendingAnswer(Protocol[Answer_contra]):
    """The place of an answer that somebody waits for, such as a future."""

    def done(self) -> bool:
        """Return whether it has its answer, or nobody waits for one."""

    def set_result(self, result: Answer_contra, /) -> None:
        """Give the answer. Raises nothing."""

    def set_exception(self, exception: Exception, /) -> None:
        """Give an error in its place. Raises nothing."""


class _Waiter(NamedTuple, Generic[Item, Answer]):
    """An item, the answer that its caller waits for, and until when (by the loop's clock)."""

    item: Item
    answer: "PendingAnswer[Answer]"
    deadline: float


class Batcher(Generic[Item, Answer]):
    """Commits items in batches.

    A batch that fails with one of `passing` is tried again for `patience` seconds, as long as somebody waits.
    So `commit` must be repeatable. Any other error goes to those who wait. Where a script itself fails, each item is
    committed alone, and no damaged one fails its neighbours. A batch has at most `most` items. Small batches leave at
    least `interval()` seconds apart.
    """

    def __init__(
        self,
        commit: Callable[[Sequence[Item]], Awaitable[Sequence[Answer]]],
        *,
        passing: tuple[type[Exception], ...],
        size: Callable[[Item], int] = lambda _: 0,
        timeout: float = math.inf,
        patience: float = math.inf,
        most: int = MAX_ITEMS,
        interval: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self._commit = commit
        self._passing = passing
        self._size = size
        self._timeout = timeout
        self._patience = patience
        self._most = most
        self._interval = interval
        self._sent_at = -math.inf  # when the last batch left (monotonic seconds)
        self._waiting: deque[_Waiter[Item, Answer]] = deque()
        self._in_flight: list[_Waiter[Item, Answer]] = []
        self._timer: asyncio.TimerHandle | None = None
        self._flushing: asyncio.Task[None] | None = None
        self.trouble: Exception | None = None
        """The latest error that a batch waited for. None once a batch went through."""

    def __len__(self) -> int:
        return len(self._waiting)

    def submit(self, item: Item) -> "asyncio.Future[Answer]":
        """Return the answer, which is there once the item is committed.

        If the caller stops waiting, the item may be committed all the same. After `timeout` seconds, or when its batch
        has failed for `patience` seconds, the answer is a TimeoutError.
        """
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self.add(item, answer)
        return answer

    def add(self, item: Item, answer: "PendingAnswer[Answer]") -> None:
        """Commit an item, and set its answer, as `submit` says. The answer itself must not wait for anything."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._timeout
        self._waiting.append(_Waiter(item, answer, deadline))
        if self._timer is None and self._timeout < math.inf:
            # One timer for all: it is due with the one that has waited longest.
            self._timer = loop.call_at(deadline, self._end_waiting)
        if self._flushing is None:
            # A task and a context of its own. A caller that ends must not cut off the batch of the others.
            self._flushing = loop.create_task(self._flush(), context=contextvars.Context())

    async def close(self, *, within: float) -> None:
        """Wait for the batch in flight, at most `within` seconds, and drop the rest."""
        if self._flushing is not None:
            await asyncio.wait([self._flushing], timeout=within)
        if self._flushing is not None:
            self._flushing.cancel()
            await asyncio.gather(self._flushing, return_exceptions=True)

    async def _flush(self) -> None:
        try:
            while self._waiting:
                await self._await_company()
                self._in_flight = batch = self._next_batch()
                await self._commit_patiently(batch)
                check_cancelled()
            self._in_flight = []
        finally:
            self._flushing = None

    async def _await_company(self) -> None:
        """Wait until `interval` seconds after the batch before, unless enough wait already."""
        wait = self._sent_at + self._interval() - time.monotonic()
        if wait > 0 and len(self._waiting) < self._most // 4:
            await asyncio.sleep(wait)
        self._sent_at = time.monotonic()

    def _end_waiting(self) -> None:
        """End the waiting of those whose time is over, and wait for the next one."""
        loop, self._timer = asyncio.get_running_loop(), None
        for _, answer, deadline in (*self._in_flight, *self._waiting):
            if answer.done():
                continue
            if deadline > loop.time():
                self._timer = loop.call_at(deadline, self._end_waiting)
                return
            answer.set_exception(builtins.TimeoutError())

    def _next_batch(self) -> "list[_Waiter[Item, Answer]]":
        batch: list[_Waiter[Item, Answer]] = []
        size = 0
        while self._waiting and len(batch) < self._most:
            size += self._size(self._waiting[0].item)
            if batch and size > MAX_BYTES:
                break
            # In order of arrival, so that no item waits for later ones.
            waiter = self._waiting.popleft()
            if not waiter.answer.done():
                batch.append(waiter)
        return batch

    async def _commit_patiently(self, batch: "list[_Waiter[Item, Answer]]") -> None:
        failing_since: float | None = None
        while batch := [waiter for waiter in batch if not waiter.answer.done()]:
            try:
                results = await self._commit([waiter.item for waiter in batch])
            except Exception as error:  # noqa: BLE001 - it belongs to those who wait
                if is_script_error(error) and len(batch) > 1:
                    for waiter in batch:
                        await self._commit_patiently([waiter])
                    return
                if is_script_error(error) or not isinstance(error, self._passing):
                    _refuse(batch, error)
                    return
                self.trouble = error
                check_cancelled()
                now = time.monotonic()
                failing_since = now if failing_since is None else failing_since
                if now - failing_since >= self._patience:
                    _refuse(batch, builtins.TimeoutError())
                await asyncio.sleep(PAUSE)
            else:
                self.trouble = None
                if self._waiting:
                    # The next batch goes out first, so that Redis does not wait while answers are written.
                    asyncio.get_running_loop().call_soon(_give, batch, results)
                else:
                    _give(batch, results)
                return


def _give(batch: "list[_Waiter[Item, Answer]]", results: Sequence[Answer]) -> None:
    for (_, answer, _), result in zip(batch, results, strict=True):
        if not answer.done():
            answer.set_result(result)


def _refuse(batch: "list[_Waiter[Any, Any]]", error: Exception) -> None:
    for _, answer, _ in batch:
        if not answer.done():
            answer.set_exception(error)


class BatchingStore(Store):
    """A store for many tasks. The calls of all that wait take one turn to Redis and one connection.

    A lone call goes out at once. A call whose caller stops waiting may still be made, as over a connection of its own.
    """

    async def _evaluate(self, call: ScriptCall) -> Any:
        answer = await self._calls.submit(call)
        if isinstance(answer, Exception):
            raise answer
        return answer

    @cached_property
    def _calls(self) -> Batcher[ScriptCall, Any]:
        return Batcher(self._evaluate_all, passing=())

    async def _evaluate_all(self, calls: Sequence[ScriptCall]) -> Sequence[Any]:
        if len(calls) == 1:
            return [await super()._evaluate(calls[0])]
        return await self._evaluate_together(calls)
