"""Lua scripts: loaded once, called by digest, loaded again where the server has forgotten them."""

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from redis import Redis as BlockingRedis
from redis.asyncio import Redis
from redis.exceptions import NoScriptError, ResponseError

Argument = str | bytes | int

_LUA = resources.files("service.store") / "lua"


@dataclass(frozen=True, slots=True)
class Script:
    """One script's text and its digest, by which the server knows it."""

    text: str
    digest: str


@cache
def script(name: str, *, above: tuple[str, ...] = (), when_full: bool = True) -> Script:
    """The script `lua/<name>.lua`, with `settle` and the pieces in `above` before it.

    `when_full` lets it run with the server's memory exhausted: all but accept must, or a full memory could never drain.
    """
    shebang = "#!lua flags=allow-oom\n" if when_full else "#!lua\n"
    text = shebang + "".join((_LUA / f"{part}.lua").read_text() for part in ("settle", *above, name))
    return Script(text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())


@cache
def all_texts() -> tuple[str, ...]:
    """The texts of all scripts and of what they are made of."""
    return tuple(each.read_text() for each in sorted(_LUA.iterdir(), key=str) if each.name.endswith(".lua"))


def is_script_error(error: BaseException) -> bool:
    """Return whether a script failed by itself or met a damaged value, rather than the server refusing its work."""
    damaged = ("user_script:", "WRONGTYPE", "hash value is not an integer", "value is not an integer")
    return isinstance(error, ResponseError) and str(error).startswith(damaged)


async def run(redis: "Redis", wanted: Script, *args: Argument) -> Any:
    """Call a script; its answer is what its own header says.

    Raises:
        redis.exceptions.RedisError: the server cannot be reached, or refuses.
    """
    try:
        return await redis.evalsha(wanted.digest, 0, *args)  # type: ignore[arg-type, misc]
    except NoScriptError:
        await redis.script_load(wanted.text)
        return await redis.evalsha(wanted.digest, 0, *args)  # type: ignore[arg-type, misc]


def run_blocking(redis: BlockingRedis, wanted: Script, *args: Argument) -> Any:
    """Call a script from a thread; otherwise like `run`.

    Raises:
        redis.exceptions.RedisError: the server cannot be reached, or refuses.
    """
    try:
        return redis.evalsha(wanted.digest, 0, *args)  # type: ignore[arg-type]
    except NoScriptError:
        redis.script_load(wanted.text)
        return redis.evalsha(wanted.digest, 0, *args)  # type: ignore[arg-type]
