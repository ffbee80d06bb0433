"""The rights that Redis must give: taken from the scripts themselves, so that the list cannot fall behind."""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass

from service.store.keys import Keys
from service.store.scripts import all_texts, script
from service.store.store import Store

WORKER_COMMANDS = frozenset(
    {"BLPOP", "DEL", "EXEC", "EXISTS", "EXPIRE", "GET", "HGET", "HGETALL", "HINCRBY", "HSCAN", "HSET", "HSETNX"}
    | {"INCRBY", "MULTI", "PEXPIRE", "PSETEX", "RPUSH", "SCAN", "SET", "SETEX", "SMEMBERS", "SRANDMEMBER", "TIME"}
    | {"UNWATCH", "WATCH", "XREVRANGE", "ZADD", "ZCARD", "ZCOUNT", "ZINCRBY", "ZMSCORE", "ZRANGE"}
    | {"ZRANGEBYSCORE", "ZREM", "ZREMRANGEBYSCORE", "ZREVRANK", "ZSCAN", "ZSCORE"}
)
"""Commands that workers and the command line send outside scripts, those of arq for its jobs and cron among them."""

CONNECTION_COMMANDS = frozenset({"EVALSHA", "PING", "SCRIPT LOAD", "SELECT"})
"""Commands that every connection needs. The server itself refuses a user without them."""

_CALL = re.compile(r"(?:redis\.p?call|collect)\('([A-Z]+)'")
_OUR_KEY = re.compile(r"(?:\bns\s*\.\.\s*|'[A-Z]+', )'(:[a-z_]+:?)")
_ARQ_KEY = re.compile(r"'(arq:[a-z-]+:)")
_KEYLESS = frozenset({"EXEC", "MULTI", "TIME", "UNWATCH"})
_VARIADIC = frozenset({"DEL", "EXISTS", "MGET", "UNLINK", "WATCH"})
"""Commands all of whose arguments are keys."""


@dataclass(frozen=True, slots=True)
class Needs:
    """The needs of a role: the texts of its scripts, its commands outside scripts, and room in the memory."""

    texts: tuple[str, ...]
    commands: frozenset[str] = frozenset()
    room: bool = False

    def all_commands(self) -> list[str]:
        """Return every command, in order."""
        return sorted(self.commands | {each for text in self.texts for each in _CALL.findall(text)})


def ingress_needs() -> Needs:
    """Return what the ingress needs: accepting alone."""
    return Needs((script("accept").text,), room=True)


def worker_needs() -> Needs:
    """Return what a worker and the command line need."""
    return Needs(all_texts(), WORKER_COMMANDS)


async def refusals(store: Store, needs: Needs) -> list[str]:
    """Return in words which commands and keys the user is refused. Write a mark of the time of looking.

    Raises:
        redis.exceptions.RedisError: the server cannot be reached, takes no writes, or refuses even to look.
    """
    # A command with all its arguments. The server crashes if it is asked about an incomplete one.
    commands = [(f"the command {each}", [each, *_arguments(each, store.keys.readyz)]) for each in needs.all_commands()]
    asked = [*commands, *_about_keys(store.keys, needs.texts)]
    refused = await store.run("permissions", *(json.dumps(each) for _, each in asked), needs_room=needs.room)
    return list(dict.fromkeys(asked[number - 1][0] for number in refused))


def _about_keys(keys: Keys, texts: Iterable[str]) -> list[tuple[str, list[str]]]:
    ours = {keys.namespace + suffix for text in texts for suffix in _OUR_KEY.findall(text)}
    arqs = {f"{prefix}{keys.namespace}:" for text in texts for prefix in _ARQ_KEY.findall(text)}
    return [
        (f"the key {name}{'*' if name.endswith(':') else ''}", [command, *_arguments(command, name)])
        for name in sorted(ours | arqs)
        for command in ("EXISTS", "SET")
    ]


def _arguments(command: str, key: str) -> list[str]:
    if command in _KEYLESS:
        return []
    if command == "SCAN":
        return ["0"]
    name = f"{key}x" if key.endswith(":") else key
    if command == "RENAME":
        return [key, key]
    if command == "BLPOP":
        return [name, "1"]
    return [name] if command in _VARIADIC else [name, "1", "1", "1"]
