"""Checks of a Redis server: the risks of its settings, and whether it can be used at all."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError

from service.settings import InvalidSettings
from service.store.connection import address_of, connect, is_through_cluster
from service.store.inbox.workers import FORMATS
from service.store.permissions import Needs, refusals
from service.store.redis_errors import describe_redis_error
from service.store.store import Store, in_pages

OLDEST_VERSION = 7
START_SECONDS = 1.5
_CLUSTER = (
    "runs in cluster mode. Next: write redis+cluster://host1,host2 in place of redis://, or give a server without it"
)


@dataclass(frozen=True, slots=True)
class ServerFindings:
    """The findings about a server: `risks` lose events, `warnings` do not."""

    risks: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


async def unusable(redis: "Redis") -> str | None:
    """Return in words why no Ringback can use this server, however long it waits, or None where it can.

    Raises:
        redis.exceptions.RedisError: the server cannot be reached.
    """
    hello = await _hello(redis)
    if hello.get(b"mode") == b"cluster" and not is_through_cluster(redis):
        return f"Redis at {address_of(redis)} {_CLUSTER}"
    version = hello.get(b"version", b"").decode()
    major = version.partition(".")[0]
    if major.isdigit() and int(major) < OLDEST_VERSION:
        return f"Redis at {address_of(redis)} has version {version}: use Redis or Valkey {OLDEST_VERSION} or newer"
    return None


async def server_version(redis: "Redis") -> str:
    """Return the name and version of the server, such as `valkey 9.1.0`.

    Raises:
        redis.exceptions.RedisError: it cannot be reached.
    """
    hello = await _hello(redis)
    known = (hello.get(name) for name in (b"server", b"version"))
    return " ".join(each.decode(errors="replace") for each in known if isinstance(each, bytes)) or "a server"


async def _hello(redis: "Redis") -> dict[bytes, Any]:
    """Return what the server says of itself, empty where it does not."""
    try:
        # Every user may send it, whatever the ACL says.
        answer: Any = await redis.execute_command("HELLO")  # type: ignore[no-untyped-call]
    except ResponseError:
        return {}
    if not isinstance(answer, list) or len(answer) % 2:
        return {}
    return dict(zip(answer[::2], answer[1::2], strict=True))


async def require_usable(redis: "Redis") -> None:
    """Refuse to go on with a server that cannot be used.

    Raises:
        InvalidSettings: it is too old, or in cluster mode without a URL for that.
        redis.exceptions.RedisError: it cannot be reached.
    """
    if trouble := await unusable(redis):
        raise InvalidSettings(f"REDIS_URL: {trouble}")


def require_usable_at(url: str) -> None:
    """Refuse to start on a server that cannot be used. Do not wait longer than 1.5 s for its answer.

    Raises:
        InvalidSettings: it is too old, or in cluster mode without a URL for that.
    """

    async def ask() -> None:
        with suppress(RedisError, OSError, TimeoutError):
            async with connect(url, timeout=START_SECONDS, connections=1) as redis, asyncio.timeout(START_SECONDS):
                await require_usable(redis)

    asyncio.run(ask())


async def trouble_working(store: Store, needs: Needs) -> str | None:
    """Return in words why the work cannot be done on this client's connections, or None where it can.

    Asks by scripts that take the same way as the work. Raises nothing for the server's sake.
    """
    try:
        if trouble := await unusable(store.redis):
            return trouble
        refused = await refusals(store, needs)
    except (RedisError, OSError) as error:
        return describe_redis_error(error, address_of(store.redis))
    return describe_refusals(store.redis, refused)


def describe_refusals(redis: "Redis", refused: list[str]) -> str | None:
    """Return in words what the user is refused, or None where it is nothing."""
    if not refused:
        return None
    return (
        f"Redis at {address_of(redis)}: NOPERM: the Redis user may not use {', '.join(refused)}."
        " Next: give it what docs/redis.md lists"
    )


async def check_server(redis: "Redis") -> ServerFindings:
    """Return what may be lost with this server, or empty where it is set up as it should be.

    Raises:
        redis.exceptions.RedisError: the server cannot be reached.
    """
    denied: list[str] = []
    persistence = await _advice(redis.info("persistence"), "INFO", denied)
    memory = await _advice(redis.info("memory"), "INFO", denied)
    fsync = await _advice(redis.config_get("appendfsync"), "CONFIG GET", denied)
    found = ServerFindings()
    if persistence and not int(persistence.get("aof_enabled", 0)):
        found.risks.append(
            "Redis keeps no append-only file: a crash of the server loses acknowledged events."
            " Set appendonly yes and appendfsync always"
        )
    elif fsync.get("appendfsync", "always") != "always":
        lost = "second or two" if fsync["appendfsync"] == "everysec" else "half a minute or more"
        found.warnings.append(
            f"appendfsync is {fsync['appendfsync']}: a power loss or a crash of the machine loses acknowledged events"
            f" of the last {lost}. Set appendfsync always"
        )
    policy = memory.get("maxmemory_policy", "noeviction")
    if policy != "noeviction":
        found.risks.append(
            f"Redis may throw events away when its memory is full ({policy}): set maxmemory-policy noeviction"
        )
    if memory and not int(memory.get("maxmemory", 0)):
        found.warnings.append(
            "Redis has no maxmemory: a full machine kills it, where a limit prunes bodies of ended events first."
            " Set maxmemory below the machine's memory"
        )
    if denied:
        names = " and ".join(dict.fromkeys(denied))
        found.warnings.append(
            f"the Redis user may not run {names}: everything works, but Ringback cannot check the"
            " persistence and the memory of Redis"
        )
    return found


MAX_LAG = 10
"""Seconds since a replica's last sign of life after which it does not follow. It gives one a second."""


@dataclass(frozen=True, slots=True)
class Replica:
    """A replica as its primary sees it. `lag` is seconds since its last sign of life."""

    state: str
    lag: int

    @property
    def in_step(self) -> bool:
        """Whether it follows the primary."""
        return self.state == "online" and self.lag <= MAX_LAG


@dataclass(frozen=True, slots=True)
class Replication:
    """The replicas of a primary, and how many of them must follow before it takes a write."""

    replicas: tuple[Replica, ...]
    min_replicas_to_write: int = 0

    def behind(self, wanted: int) -> int:
        """Return how many replicas do not follow, those of the `wanted` that are missing included."""
        in_step = sum(each.in_step for each in self.replicas)
        return max(len(self.replicas), wanted) - in_step


async def replication_of(redis: "Redis") -> Replication | None:
    """Return the replicas of this server, or None where this user may not see them.

    Raises:
        redis.exceptions.RedisError: the server cannot be reached.
    """
    followed = await replicas_of(redis)
    if followed is None:
        return None
    least = await _advice(redis.config_get("min-replicas-to-write"), "CONFIG GET", [])
    return replace(followed, min_replicas_to_write=int(least.get("min-replicas-to-write", 0)))


async def replicas_of(redis: "Redis") -> Replication | None:
    """Return the replicas alone, by one command, or None where this user may not see them.

    Raises:
        redis.exceptions.RedisError: the server cannot be reached.
    """
    told = await _advice(redis.info("replication"), "INFO", [])
    if not told:
        return None
    # INFO names them slave0, slave1 and so on.
    found = (told[f"slave{number}"] for number in range(int(told.get("connected_slaves", 0))))
    return Replication(tuple(Replica(str(each.get("state")), int(each.get("lag", 0))) for each in found))


async def _advice(asking: Any, command: str, denied: list[str]) -> dict[str, Any]:
    """Return the answer to a command that only advises. A refusal is noted and answered as empty."""
    try:
        answer: dict[str, Any] = await asking
    except ResponseError:
        # NOPERM. A managed Redis may lack the command altogether.
        denied.append(command)
        return {}
    return answer


PAGE = 500


@dataclass(frozen=True, slots=True)
class EncryptionFindings:
    """Missing keys with the opted-out numbers and bodies under them, and the number of bodies in the clear."""

    opt_outs: Counter[str] = field(default_factory=Counter)
    bodies: Counter[str] = field(default_factory=Counter)
    unsealed: int = 0

    @property
    def missing(self) -> Iterator[str]:
        """Yield the missing keys, in words."""
        for name in sorted(self.opt_outs | self.bodies):
            yield (
                f"the encryption key {name} is missing: {self.opt_outs[name]} opted-out numbers"
                f" and {self.bodies[name]} bodies are stored under it."
                " Next: add it to RINGBACK_ENCRYPTION_KEY, after a comma"
            )


async def keys_missing_for_opt_outs(store: Store) -> Counter[str]:
    """Return the keys that are not here and hide numbers that have opted out, with how many each hides.

    While there is one, nothing is sent: nobody can tell who must not be written to.
    """
    counted: dict[bytes, bytes] = await store.redis.hgetall(store.keys.optout_keys)  # type: ignore[misc]
    names = {name.decode(errors="replace"): number for name, number in counted.items()}
    return Counter({name: int(number) for name, number in names.items() if name not in store.encryption.names})


async def trouble_with_format(store: Store) -> str | None:
    """Return why workers of this version take no event, or None where they do.

    Raises:
        redis.exceptions.RedisError: the server cannot be reached.
    """
    stored: bytes | None = await store.redis.get(store.keys.format)
    if stored is None or stored in {str(each).encode() for each in FORMATS}:
        return None
    return describe_redis_error(ResponseError("NEWERFORMAT"), address_of(store.redis))


async def trouble_with_encryption(store: Store) -> str | None:
    """Return why nothing can be sent for want of an encryption key, or None where none is missing."""
    missing = await keys_missing_for_opt_outs(store)
    return "; ".join(EncryptionFindings(opt_outs=missing).missing) or None


async def check_encryption(store: Store) -> EncryptionFindings:
    """Look at the seals of all bodies, and at the keys that hide opted-out numbers."""
    seals = Counter[str]()
    async for page in in_pages(store.redis.zscan_iter(store.keys.events, count=PAGE), PAGE):
        names = await store.run("body_seals", *(event_id for event_id, _ in page))
        seals.update(name.decode() for name in names)
    unsealed = seals.pop("", 0) if store.encryption.active else 0
    bodies = Counter({name: number for name, number in seals.items() if name and name not in store.encryption.names})
    return EncryptionFindings(await keys_missing_for_opt_outs(store), bodies, unsealed)
