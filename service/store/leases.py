"""Leases: a worker's time-limited claims on events, and the only mutual exclusion between workers."""

import secrets
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import orjson
from redis.asyncio import Redis

from service.store.keys import Keys
from service.store.records import EventRecord, HandlerRecord, parse_record
from service.store.scripts import run, script

CLAIM = script("claim")
FINISH = script("finish")
RENEW = script("renew")


class LeaseLost(Exception):  # noqa: N818 - a state
    """The lease has lapsed or went to another worker: what was done here may not be recorded."""


@dataclass(frozen=True, slots=True)
class Lease:
    """One event, claimed: its record as it was then, and the token that proves the claim.

    `claimed_at` is the server's time (milliseconds since 1970), `monotonic` that of this process (seconds).
    """

    record: EventRecord
    token: str
    claimed_at: int
    monotonic: float = field(default_factory=time.monotonic)

    def now(self) -> int:
        """The server's time in milliseconds: due times must not depend on whose clock is right."""
        return self.claimed_at + int((time.monotonic() - self.monotonic) * 1000)


@dataclass(frozen=True, slots=True)
class Claim:
    """The answer to a claim: events of ours, ids of due jobs that are arq's own, and seconds until the next is due."""

    leases: list[Lease]
    foreign: list[str]
    next_in: float | None


async def claim(
    redis: "Redis",
    keys: Keys,
    *,
    lease: float,
    limit: int,
    routes: Mapping[str, Iterable[str]],
    only: str | None = None,
) -> Claim:
    """Take up to `limit` due events for `lease` seconds; `routes` fixes the handlers of those never claimed before."""
    token = secrets.token_hex(16)
    args: list[str | bytes | int] = [keys.namespace, token, _milliseconds(lease), limit, orjson.dumps(routes)]
    if only is not None:
        args.append(only)
    claimed, foreign, wait, now = await run(redis, CLAIM, *args)
    return Claim(
        leases=[_lease(entry, token, now) for entry in claimed],
        foreign=[job.decode() for job in foreign],
        next_in=None if wait < 0 else wait / 1000,
    )


async def finish(redis: "Redis", keys: Keys, lease: Lease, ended: Mapping[str, HandlerRecord], *, release: bool) -> str:
    """Record how handlers ended and, with `release`, give the lease back; answers the state of the event.

    Raises:
        LeaseLost: nothing was recorded.
    """
    args: list[str | bytes | int] = [keys.namespace, lease.record.id, lease.token, int(release)]
    for name, record in ended.items():
        args += (name, record.to_json())
    state: bytes = await run(redis, FINISH, *args)
    if state == b"lost":
        raise LeaseLost
    return state.decode()


async def renew(redis: "Redis", keys: Keys, leases: Iterable[Lease], *, lease: float) -> set[str]:
    """Extend claims by `lease` seconds from now; answers the ids of those that were lost."""
    args: list[str | bytes | int] = [keys.namespace, _milliseconds(lease)]
    for each in leases:
        args += (each.record.id, each.token)
    lost: list[bytes] = await run(redis, RENEW, *args)
    return {event_id.decode() for event_id in lost}


def _lease(entry: list[bytes], token: str, now: int) -> Lease:
    fields = dict(zip(entry[1::2], entry[2::2], strict=True))
    return Lease(parse_record(entry[0].decode(), fields), token, now)


def _milliseconds(seconds: float) -> int:
    return int(seconds * 1000)
