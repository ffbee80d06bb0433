"""A store whose calls of scripts go out in batches where many tasks call at once."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

from service.store.inbox.group_commit import Batcher
from service.store.scripts import Argument
from service.store.store import Store


class BatchingStore(Store):
    """A store for many tasks. The calls of all that wait take one turn to Redis and one connection.

    A lone call goes out at once. A call whose caller stops waiting may still be made, as over a connection of its own.
    """

    async def _evaluate(self, call: Sequence[Argument]) -> Any:
        answer = await self._calls.submit(call)
        if isinstance(answer, Exception):
            raise answer
        return answer

    @cached_property
    def _calls(self) -> Batcher[Sequence[Argument], Any]:
        return Batcher(self._evaluate_all, passing=())

    async def _evaluate_all(self, calls: Sequence[Sequence[Argument]]) -> Sequence[Any]:
        """Return for each call its answer or its error."""
        if len(calls) == 1:
            return [await super()._evaluate(calls[0])]
        pipeline = self.redis.pipeline(transaction=False)
        for digest, number, *arguments in calls:
            pipeline.evalsha(str(digest), int(number), *arguments)  # type: ignore[arg-type]
        return await pipeline.execute(raise_on_error=False)
