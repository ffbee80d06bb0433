"""A store whose reads are real and whose writes do nothing, for runs of handlers that must change nothing.

The server itself refuses each write of a script (`EVAL_RO`). Before that, writes are answered as if they had happened.
"""

from collections.abc import Sequence
from dataclasses import replace
from importlib.resources import files
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.client import Pipeline

from service.store.scripts import script
from service.store.store import ScriptCall, Store

READS = frozenset((files("service.store") / "read_commands.txt").read_text("utf-8").split())
"""Commands that change nothing. One that this list lacks is refused."""

_SHEBANG = "#!lua flags=no-writes,allow-stale\n"
_HEAD = """
local server, reads, statuses = redis, {}, { SET = true, MSET = true, RENAME = true, HMSET = true }
for each in ('COMMANDS'):gmatch('%S+') do reads[each] = true end
local function pretend(command, ...)
  if reads[command] then return server.call(command, ...) end
  return statuses[command] and { ok = 'OK' } or 1
end
local redis = setmetatable({ call = pretend, pcall = function(command, ...)
  if reads[command] then return server.pcall(command, ...) end
  return statuses[command] and { ok = 'OK' } or 1
end }, { __index = server })
""".replace("COMMANDS", " ".join(sorted(READS)))


class ShadowWrite(RuntimeError):
    """A handler in a shadow run tried to write to Redis. `ctx.shadow` tells it not to."""


class ReadOnlyRedis(Redis):
    """A client that sends reads only. It refuses a write, or answers it as if it had happened (`pretends`)."""

    pretends = False

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        """Send a read. A write is pretended or refused.

        Raises:
            ShadowWrite: it is a write.
        """
        if is_read(args):
            return await super().execute_command(*args, **options)  # type: ignore[no-untyped-call]
        return self._pretend(args)

    def pipeline(self, transaction: bool = True, shard_hint: str | None = None) -> Pipeline:  # noqa: FBT001, FBT002 - redis-py's signature
        """Return a pipeline that sends reads only."""
        pipeline = _ReadOnlyPipeline(self.connection_pool, self.response_callbacks, transaction, shard_hint)
        pipeline.pretends = self.pretends
        return pipeline

    def pubsub(self, **_: Any) -> Any:
        """Refuse a subscription: no shadow run waits for messages.

        Raises:
            ShadowWrite: always.
        """
        raise ShadowWrite("a shadow run cannot subscribe to channels")

    def _pretend(self, args: Sequence[Any]) -> Any:
        if not self.pretends:
            raise refusal(args)
        return True


class PretendingRedis(ReadOnlyRedis):
    """A client for code of Ringback's own, which needs an answer to each write."""

    pretends = True


class _ReadOnlyPipeline(Pipeline):
    pretends = False

    async def execute(self, raise_on_error: bool = True) -> list[Any]:  # noqa: FBT001, FBT002 - redis-py's signature
        """Send the reads, and answer writes as if they had happened."""
        stack = list(self.command_stack)
        reads = [each for each in stack if is_read(each[0])]
        if len(reads) < len(stack) and not self.pretends:
            await self.reset()  # type: ignore[no-untyped-call]
            raise refusal(next(each[0] for each in stack if not is_read(each[0])))
        self.command_stack[:] = reads
        answers = iter(await super().execute(raise_on_error) if reads else [])
        await self.reset()  # type: ignore[no-untyped-call]
        return [next(answers) if is_read(each[0]) else True for each in stack]

    async def immediate_execute_command(self, *args: Any, **options: Any) -> Any:
        """Send a read at once. WATCH is one that needs no answer here."""
        if is_read(args):
            return await super().immediate_execute_command(*args, **options)  # type: ignore[no-untyped-call]
        if self.pretends:
            return True
        raise refusal(args)


def is_read(args: Sequence[Any]) -> bool:
    """Return whether a command changes nothing."""
    words = args[0].decode() if isinstance(args[0], bytes) else str(args[0])
    return words.upper().split(" ")[0] in READS


def refusal(args: Sequence[Any]) -> ShadowWrite:
    """Return the error of a refused command."""
    return ShadowWrite(
        f"ctx.redis only reads in a shadow run, and {str(args[0]).upper()} may write: look at ctx.shadow"
    )


class ShadowStore(Store):
    """A store for code of Ringback's own in a shadow run. Scripts run in full, and their writes do nothing."""

    async def run(self, name: str, *args: Any, needs_room: bool = False) -> Any:  # noqa: ARG002 - as in Store
        """Run a script without its writes. It answers what it would answer, unless it reads what it wrote."""
        text = script(name).text.partition("\n")[2]
        words = (_SHEBANG + _HEAD + text, 1, self.keys.counts, *args)
        return await self.redis.execute_command("EVAL_RO", *words)  # type: ignore[no-untyped-call]

    async def _evaluate(self, call: ScriptCall) -> Any:
        raise NotImplementedError(f"a shadow run calls scripts by name, not by digest: {call.words[0]!r}")


def shadow_of(store: Store, redis: PretendingRedis) -> ShadowStore:
    """Return the same store, through a client that writes nothing."""
    return replace(ShadowStore(store.redis, store.namespace, store.encryption), redis=redis)
