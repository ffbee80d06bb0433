"""Lua scripts: loaded once, called by digest, loaded again where the server has forgotten them."""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Any

from redis import Redis as BlockingRedis
from redis.exceptions import NoScriptError, ResponseError

Argument = str | bytes | int

_LUA = resources.files("service.store") / "lua"
_LIBRARIES = _LUA / "lib"
ADDING = frozenset({"accept", "compare_and_set", "heal", "import"})
"""Scripts that add events."""
_REQUIRES = re.compile(r"^-- requires: (.+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Script:
    """One script's text and its digest, by which the server knows it."""

    text: str
    digest: str


@cache
def script(name: str, *, needs_room: bool = False) -> Script:
    """Return the script `lua/<name>.lua`, below the libraries that it requires.

    Scripts run with the server's memory exhausted, or a full memory could never drain. Those that add events, and
    those that `needs_room` says so of, are refused then.

    Raises:
        ValueError: libraries require each other in a circle.
    """
    shebang = "#!lua\n" if needs_room or name in ADDING else "#!lua flags=allow-oom\n"
    parts = [*_required(_LUA / f"{name}.lua"), _LUA / f"{name}.lua"]
    text = shebang + "".join(part.read_text() for part in dict.fromkeys([_LIBRARIES / "start.lua", *parts]))
    return Script(text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())


def _required(file: Traversable, above: tuple[Traversable, ...] = ()) -> Iterator[Traversable]:
    """Yield the libraries that a file requires, each below those that it requires itself."""
    if file in above:
        raise ValueError(f"lua/lib requires itself: {' -> '.join(each.name for each in (*above, file))}")
    for line in _REQUIRES.findall(file.read_text()):
        for name in line.split():
            library = _LIBRARIES / f"{name}.lua"
            yield from _required(library, (*above, file))
            yield library


@cache
def all_texts() -> tuple[str, ...]:
    """Return the texts of all scripts and libraries."""
    files = (each for folder in (_LUA, _LIBRARIES) for each in sorted(folder.iterdir(), key=str))
    return tuple(each.read_text() for each in files if each.name.endswith(".lua"))


def is_script_error(error: BaseException) -> bool:
    """Return whether a script has a bug or met a damaged value, rather than the server refusing its work."""
    damaged = ("user_script:", "WRONGTYPE", "hash value is not an integer", "value is not an integer")
    return isinstance(error, ResponseError) and str(error).startswith(damaged)


def run_blocking(redis: BlockingRedis, name: str, key: str, *args: Argument) -> Any:
    """Call a script from a thread, with one of our keys. It is otherwise like `Store.run`.

    Raises:
        redis.exceptions.RedisError: the server cannot be reached, or refuses.
    """
    wanted = script(name)
    try:
        return redis.evalsha(wanted.digest, 1, key, *args)  # type: ignore[arg-type]
    except NoScriptError:
        redis.script_load(wanted.text)
        return redis.evalsha(wanted.digest, 1, key, *args)  # type: ignore[arg-type]
