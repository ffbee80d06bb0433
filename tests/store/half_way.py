"""Scripts that fail half-way: each call of a script runs on the real server, and one of its writes is refused."""

import hashlib
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, cast

from redis.asyncio import Redis
from redis.exceptions import ResponseError

import service.store
from service.security.encryption import PLAIN
from service.store.keys import Keys
from service.store.scripts import Script, script
from service.store.store import ARQ_JOB, Store
from tests.pending import pending

T = 1_790_000_000_000
"""The time (ms) at which every script runs: so that two runs can be compared, field by field."""
READS = (
    "EXISTS GET HEXISTS HGET HGETALL HKEYS HLEN HMGET HVALS LINDEX LLEN LRANGE SCARD SISMEMBER SMEMBERS TIME ZCARD"
    " ZCOUNT ZRANGE ZRANGEBYSCORE ZREVRANGE ZSCAN ZSCORE"
)
LONGER = 600_000
"""Milliseconds by which keys live longer, so that none expires on a busy machine. The server has its own time."""
REFUSED = "HALFWAY refused by the test"

_HEAD = """
local fail_at, now = tonumber(table.remove(ARGV)), tonumber(table.remove(ARGV))
local server, reads, written = redis, {}, 0
for each in ('%(reads)s'):gmatch('%%S+') do reads[each] = true end
local function later(command, ...)
  local words = { ... }
  for i, word in ipairs(words) do
    local is_time = command == 'PEXPIRE' and i == 2 or command == 'SET' and words[i - 1] == 'PX'
    if is_time then words[i] = word + %(longer)d end
  end
  return unpack(words)
end
local redis = setmetatable({ call = function(command, ...)
  if command == 'TIME' then return { ('%%d'):format(now / 1000), ('%%d'):format(now %% 1000 * 1000) } end
  if not reads[command] then
    written = written + 1
    if written == fail_at then
      error({ err = '%(refused)s: ' .. command .. ' ' .. tostring((...)) })
    end
  end
  return server.call(command, later(command, ...))
end }, { __index = server })
"""


@dataclass
class FaultyRedis:
    """A connection whose scripts run at `now` (ms), and refuse their write number `fail_at` (0: none)."""

    redis: "Redis"
    texts: dict[str, str]
    fail_at: int = 0
    now: int = T
    refused: list[str] = field(default_factory=list)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.redis, name)

    async def evalsha(self, digest: str, number_of_keys: int, *args: Any) -> Any:
        """Run a script that service.store.scripts knows, as it would run, but for time and fault."""
        under_test = _under_test(self.texts[digest])
        told = str(self.now), str(self.fail_at)
        try:
            return await pending(self.redis.evalsha(under_test.digest, number_of_keys, *args, *told))
        except ResponseError as error:
            if REFUSED in str(error):
                self.refused.append(str(error).partition(f"{REFUSED}: ")[2])
            raise

    async def script_load(self, text: str) -> str:
        """Load a script as it runs here. The store asks for it where the server does not know the digest."""
        return await pending(self.redis.script_load(_under_test(text).text))


@cache
def _under_test(text: str) -> Script:
    """Return a script's text as it runs here. Its last two arguments are the time and the number of the fault."""
    shebang, _, body = text.partition("\n")
    head = _HEAD % {"reads": READS, "refused": REFUSED, "longer": LONGER}
    changed = f"{shebang}\n{head}{body}"
    return Script(changed, hashlib.sha1(changed.encode(), usedforsecurity=False).hexdigest())


@dataclass(frozen=True)
class World:
    """One deployment's keys, on a connection that can fail."""

    store: Store

    @property
    def redis(self) -> Any:
        """The connection, with its switches for faults."""
        return self.store.redis

    @property
    def keys(self) -> Keys:
        return self.store.keys

    async def contents(self) -> dict[str, Any]:
        """Everything that is stored, without the namespace, and whether it expires."""
        found: dict[str, Any] = {}
        for pattern in (f"{self.keys.namespace}:*", f"{ARQ_JOB}{self.keys.namespace}:*"):
            async for key in self.redis.scan_iter(pattern, count=1000):
                value = await _value(self.redis, key)
                name = key.decode().replace(self.keys.namespace, "ns")
                found[name] = (_plain(value, self.keys.namespace), await self.redis.pttl(key) > 0)
        return found


@dataclass(frozen=True)
class Scenario:
    """A call of one script: what has to be there before, and the call itself, which may be repeated.

    `ignored` are parts of what is stored that repetition may change: `key` or `key|field`. `again_answers` says that
    the repetition's answer is what the first would have been. `slotted` puts all keys into one slot, as on a cluster.
    """

    name: str
    arrange: Callable[[World], Awaitable[Any]]
    act: Callable[[World], Awaitable[Any]]
    ignored: tuple[str, ...] = ()
    same_answer: bool = True
    repaired: tuple[str, ...] = ()
    slotted: bool = False


def all_scripts() -> dict[str, str]:
    """Return the text of every script of the store, by its digest."""
    found = [script(file.stem) for file in Path(service.store.__path__[0], "lua").glob("*.lua")]
    return {each.digest: each.text for each in found}


def new_world(server: "Redis", *, slotted: bool = False) -> World:
    """Return an empty deployment, whose scripts run at a fixed time."""
    namespace = f"t{uuid.uuid4().hex[:12]}"
    redis = cast("Redis", FaultyRedis(server, all_scripts()))
    return World(Store(redis, f"{{{namespace}}}" if slotted else namespace, PLAIN))


async def _value(redis: Any, key: bytes) -> Any:
    kind = (await redis.type(key)).decode()
    read: dict[str, Callable[[], Awaitable[Any]]] = {
        "string": lambda: redis.get(key),
        "hash": lambda: redis.hgetall(key),
        "zset": lambda: redis.zrange(key, 0, -1, withscores=True),
        "set": lambda: redis.smembers(key),
        "list": lambda: redis.lrange(key, 0, -1),
    }
    return await read[kind]()


def _plain(value: Any, namespace: str) -> Any:
    if isinstance(value, bytes):
        return value.decode(errors="backslashreplace").replace(namespace, "ns")
    if isinstance(value, dict):
        # A script that failed may have left a number of the sequence unused.
        kept = {name: each for name, each in value.items() if name != b"sequence"}
        return {_plain(name, namespace): _plain(each, namespace) for name, each in kept.items()}
    if isinstance(value, set | frozenset):
        return sorted(_plain(each, namespace) for each in value)
    if isinstance(value, list | tuple):
        return [_plain(each, namespace) for each in value]
    return value
