"""One deployment's data in Redis: the connection, the names of its keys, and its encryption."""

import asyncio
import contextvars
from collections.abc import AsyncIterator, Coroutine, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple, Self, TypeVar

from redis.asyncio import Redis
from redis.exceptions import NoScriptError

from service.security.encryption import Sealer
from service.settings import Settings
from service.store.connection import leave_server
from service.store.keys import Keys
from service.store.redis_errors import NotReplicated
from service.store.scripts import Argument, script

T = TypeVar("T")

CONFIRMED = frozenset({"accept", "effect_begin"})
"""Scripts whose writes count only once `RINGBACK_REPLICAS` have them: a 200, and the intent of an effect."""
CONFIRM_TIMEOUT = 500
"""Milliseconds that the replicas have for it."""

ARQ_JOB = "arq:job:"
"""The prefix of arq for a job's data. It is global, so our job ids bear the namespace."""


async def in_pages(items: AsyncIterator[T], size: int) -> AsyncIterator[list[T]]:
    """Yield items in lists of this size."""
    page: list[T] = []
    async for item in items:
        page.append(item)
        if len(page) == size:
            yield page
            page = []
    if page:
        yield page


class ScriptCall(NamedTuple):
    """The call of a script: the words of EVALSHA, and whether replicas must confirm what it writes."""

    words: tuple[Argument, ...]
    confirmed: bool


@dataclass(frozen=True)
class Store:
    """The place of all data. It cannot be built without its encryption, so none is written in the clear by mistake."""

    redis: "Redis"
    namespace: str
    encryption: Sealer = field(repr=False)
    replicas: int = 0
    """How many replicas must have what the scripts of `CONFIRMED` write before it counts."""

    @classmethod
    def of(cls, redis: "Redis", settings: Settings) -> Self:
        """Return the store of the deployment that the settings describe."""
        return cls(redis, settings.namespace, settings.sealer(), settings.replicas)

    @cached_property
    def keys(self) -> Keys:
        """The names of the keys."""
        return Keys(self.namespace)

    async def run(self, name: str, *args: Argument, needs_room: bool = False) -> Any:
        """Call the script `lua/<name>.lua`. Return the answer that its own header describes.

        Raises:
            NotReplicated: too few replicas confirmed in time what the script wrote.
            redis.exceptions.RedisError: the server cannot be reached, or refuses.
        """
        wanted = script(name, needs_room=needs_room)
        # One of our keys: some servers refuse a script without, and a cluster places it by that.
        call = ScriptCall(
            (wanted.digest, 1, self.keys.counts, *args), confirmed=self.replicas > 0 and name in CONFIRMED
        )
        try:
            return await self._evaluate(call)
        except NoScriptError:
            await self.redis.script_load(wanted.text)
            return await self._evaluate(call)

    async def _evaluate(self, call: ScriptCall) -> Any:
        if not call.confirmed:
            return await self.redis.evalsha(*call.words)  # type: ignore[arg-type, misc]
        (answer,) = await self._evaluate_together([call])
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def _evaluate_together(self, calls: Sequence[ScriptCall]) -> Sequence[Any]:
        """Return for each call its answer or its error. All go over one connection."""
        pipeline = self.redis.pipeline(transaction=False)
        for digest, number, *arguments in (each.words for each in calls):
            pipeline.evalsha(str(digest), int(number), *arguments)  # type: ignore[arg-type]
        if not any(each.confirmed for each in calls):
            return await pipeline.execute(raise_on_error=False)
        # WAIT asks for what its own connection wrote. A script that found its work done wrote nothing, so write here.
        pipeline.set(self.keys.confirmed, "")
        pipeline.execute_command("WAIT", self.replicas, CONFIRM_TIMEOUT)
        *answers, _, confirmed = await pipeline.execute(raise_on_error=False)
        if isinstance(confirmed, int) and confirmed >= self.replicas:
            return answers
        # A primary that is cut off from its replicas may have a successor. It does not know, and takes writes.
        leave_server(self.redis)
        missing = confirmed if isinstance(confirmed, Exception) else NotReplicated(self.replicas, confirmed)
        return [
            missing if each.confirmed and not isinstance(answer, Exception) else answer
            for each, answer in zip(calls, answers, strict=True)
        ]


def check_cancelled() -> None:
    """Raise CancelledError in a task that was cancelled, even if the news got lost.

    Until Python 3.12 `asyncio.wait_for`, in which redis-py sends its commands, swallows a cancellation that arrives as
    the command goes out. A loop that calls Redis asks here, or it might never end.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


_tasks: "set[asyncio.Task[Any]]" = set()


def run_uncancelled(work: Coroutine[Any, Any, T]) -> "asyncio.Task[T]":
    """Start work in a task of its own, outside the handler's context. Await it under `asyncio.shield`."""
    task = asyncio.get_running_loop().create_task(work, context=contextvars.Context())
    _tasks.add(task)
    task.add_done_callback(_done)
    return task


async def end_task(task: "asyncio.Task[Any]") -> None:
    """Cancel a task, and wait for its end."""
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def _done(task: "asyncio.Task[Any]") -> None:
    _tasks.discard(task)
    if not task.cancelled():
        # Read, so that the loop does not report an exception that the caller gets.
        _ = task.exception()


LENGTH_BYTES = 4


def behind_length(text: bytes) -> bytes:
    """Return a text behind its length, as part of an argument. Lua reads it as `>I4c0`.

    One argument for each event costs less than several, here and at the server.
    """
    return len(text).to_bytes(LENGTH_BYTES) + text
