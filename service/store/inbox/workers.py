"""The registry of workers: who processes events, since when, how busy, and when it last gave a sign.

A worker's sign rides in the renewal of its leases (`renew.lua`), every 5 s at the latest. A thread sends it. So a
worker that is full, or has a blocked event loop, gives signs too.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal

import orjson

from service.store.store import Store

SIGN_EVERY = 5.0
"""Seconds between two signs of a worker, at most."""
SILENT_AFTER = 15_000
"""Milliseconds without a sign after which a worker counts as gone."""
FORMATS = (1,)
"""Formats of stored data that this version reads."""
NO_WORKER = (
    "no worker has given a sign for 15 s: events are kept and wait. Start one with `ringback up` or `ringback worker`"
)

WorkerState = Literal["working", "starting", "stopping", "blocked", "silent"]


@dataclass(frozen=True, slots=True)
class WorkerSign:
    """A worker's own description. `started_at` is milliseconds since 1970, by its own clock.

    `running` of at most `concurrency` events run. `source` is its HANDLERS, `handlers` are their names. `ordered`
    are the event types of those that run events of one key in order.
    """

    name: str
    version: str
    started_at: int
    concurrency: int
    source: str
    handlers: tuple[str, ...]
    running: int = 0
    state: WorkerState = "working"
    formats: tuple[int, ...] = FORMATS
    ordered: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def to_json(self) -> bytes:
        """Return the form that `read_workers` reads."""
        return orjson.dumps(asdict(self))


@dataclass(frozen=True, slots=True)
class WorkerInfo:
    """One worker of the registry. `id` is new at each start, `seen_at` is its last sign (ms, the server's clock).

    `silent_for` is milliseconds since then. `blocked_at` names handler and line where its event loop is blocked.
    """

    id: str
    seen_at: int
    silent_for: int
    sign: WorkerSign
    blocked_at: str | None = None

    @property
    def state(self) -> WorkerState:
        """The state of the worker. Without a sign for 15 s it is silent, whatever it said before."""
        if self.silent_for > SILENT_AFTER:
            return "silent"
        return "blocked" if self.blocked_at else self.sign.state


async def read_workers(store: Store) -> list[WorkerInfo]:
    """Return all workers that gave a sign within the last hour, the oldest start first.

    Raises:
        redis.exceptions.RedisError: Redis cannot be reached.
    """
    now, signs, blocked = await store.run("workers")
    places = {name: orjson.loads(told) for name, told in _pairs(blocked)}
    found = [_worker(name.decode(), told, now, places.get(name, {})) for name, told in _pairs(signs)]
    return sorted((each for each in found if each is not None), key=lambda each: each.sign.started_at)


async def live_workers(store: Store) -> int:
    """Return how many workers take events, as far as their signs of the last 15 s tell."""
    return int((await store.run("queue"))[4])


async def trouble_with_workers(store: Store) -> str | None:
    """Return why nothing is processed where no worker gives a sign, else None."""
    return None if await live_workers(store) else NO_WORKER


async def forget_worker(store: Store, worker: str) -> None:
    """Remove a worker that has stopped."""
    await store.redis.hdel(store.keys.workers, worker)  # type: ignore[misc]


def _worker(name: str, told: bytes, now: int, blocked: Mapping[str, Any]) -> WorkerInfo | None:
    """Return a worker, or None where its sign cannot be read."""
    seen, _, sign = told.partition(b" ")
    try:
        seen_at, known = int(seen), orjson.loads(sign)
        known = {each: known[each] for each in _NAMES if each in known}
        read = WorkerSign(**known | {each: tuple(known.get(each, ())) for each in ("handlers", "formats")})
    except (ValueError, TypeError):
        return None
    place = blocked.get("place") if blocked.get("till", 0) > now else None
    return WorkerInfo(name, seen_at, max(0, now - seen_at), read, place)


_NAMES = tuple(each.name for each in fields(WorkerSign))


def _pairs(flat: list[bytes]) -> list[tuple[bytes, bytes]]:
    return list(zip(flat[::2], flat[1::2], strict=True))
