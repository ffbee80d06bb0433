"""Checks of the Redis server: its rights, its risks, its speed and its memory."""

import time

from service import clock
from service.doctor.deployment import Deployment
from service.doctor.finding import CheckFailed, Warned, raise_any
from service.settings import Settings
from service.store.connection import address_of, server_time
from service.store.inbox.maintenance import DAY, ENOUGH, MemoryForecast, forecast_memory
from service.store.permissions import worker_needs
from service.store.server_checks import (
    check_encryption,
    check_server,
    replication_of,
    server_version,
    trouble_with_format,
    trouble_working,
)

SLOW = 0.05
"""Seconds for a round trip above which an accept gets slow: it takes one, and a fallback takes ten."""
_TRIES = 5
CLOCKS_DIFFER = 10.0
"""Seconds by which the clocks of this machine and of Redis may differ. Ages mix both."""


async def redis(at: Deployment) -> str:
    """Look whether the work can be done there, as a worker does it, and how long a round trip takes."""
    store = at.store
    if trouble := await trouble_working(store, worker_needs()):
        raise CheckFailed(trouble)
    if trouble := await trouble_with_format(store):
        raise CheckFailed(trouble)
    name = f"{await server_version(store.redis)} at {address_of(store.redis)}"
    fastest = min([await _round_trip(at) for _ in range(_TRIES)])
    if fastest > SLOW:
        raise Warned(
            f"{name} takes {fastest * 1000:,.0f} ms for a round trip, and a fallback needs ten."
            " Next: use a server near this machine"
        )
    return f"{name}, a round trip takes {fastest * 1000:,.1f} ms"


async def persistence(at: Deployment) -> str:
    """Look for settings by which the server loses events."""
    found = await check_server(at.store.redis)
    raise_any(CheckFailed if found.risks else Warned, [*found.risks, *found.warnings])
    return "every write is on disk, and nothing is evicted"


async def replicas(at: Deployment) -> str:
    """Look at the server's replicas, and what a failover may lose."""
    found = await replication_of(at.store.redis)
    wanted = at.settings.replicas
    if found is None:
        return "Redis does not let this user see them"
    if len(found.replicas) < wanted:
        raise CheckFailed(
            f"{len(found.replicas)} follow, and RINGBACK_REPLICAS is {wanted}: every webhook is answered 503."
            " Next: start the missing ones, or lower RINGBACK_REPLICAS"
        )
    if not found.replicas:
        return "none"
    if behind := [each for each in found.replicas if not each.in_step]:
        raise Warned(
            f"{len(behind)} of {len(found.replicas)} replicas do not follow the primary, and a failover to one loses"
            " events: look at its log"
        )
    if found.min_replicas_to_write == 0:
        raise Warned(
            f"{len(found.replicas)} follow, and min-replicas-to-write is 0."
            " A primary that loses them goes on accepting, and a failover loses these events."
            " Next: set min-replicas-to-write 1"
        )
    if wanted and len(found.replicas) > wanted:
        raise Warned(
            f"{len(found.replicas)} follow, and RINGBACK_REPLICAS is {wanted}: a failover to one of the others loses"
            f" events. Next: set RINGBACK_REPLICAS={len(found.replicas)}, or let only {wanted} be promoted"
        )
    if wanted:
        return f"{len(found.replicas)} follow, and each confirms what was accepted"
    return f"{len(found.replicas)} follow. A failover can lose the events of the last moment"


async def redis_clock(at: Deployment) -> str:
    """Compare the clock of the server with that of this machine."""
    before = clock.now()
    there = await server_time(at.store.redis) / 1000
    difference = there - (before + clock.now()) / 2
    if abs(difference) > CLOCKS_DIFFER:
        raise Warned(f"it differs from this machine's by {difference:+,.0f} s: synchronise both machines (NTP)")
    return f"it differs from this machine's by {difference:+.1f} s"


async def memory(at: Deployment) -> str:
    """Forecast how long the memory lasts, and whether the retention fits into it."""
    found = await forecast_memory(at.store, clock.now())
    if found is None:
        return "Redis does not let this user see it"
    advice = "raise RINGBACK_MAX_MEMORY or the server's maxmemory, or shorten the retentions"
    if found.used > found.limit * ENOUGH:
        raise Warned(f"{found}: {advice}")
    fits, wanted = _retention_that_fits(found, at.settings), at.settings.retention / DAY
    if fits is None:
        return str(found)
    told = f"{found}. {min(fits, 9999):,.1f} days of retention fit, and RINGBACK_RETENTION is {wanted:g} days"
    if fits < wanted:
        raise Warned(f"{told}: {advice}")
    return told


async def encryption(at: Deployment) -> str:
    """Look for bodies and numbers under a key that is missing here."""
    found = await check_encryption(at.store)
    raise_any(CheckFailed, found.missing)
    if found.unsealed:
        raise Warned(
            f"{found.unsealed} bodies are in the clear: older than the key, or of a process without one. They go with"
            " RINGBACK_BODY_RETENTION, and `ringback config` shows whether a process has the key"
        )
    return "bodies are sealed" if at.settings.encryption_key else "off: bodies are stored in the clear"


def _retention_that_fits(found: MemoryForecast, settings: Settings) -> float | None:
    """Return the days of retention that fit at today's rate, or None without events.

    A body takes its room for the body retention. An ended event takes `WITHOUT_BODY` bytes after it.
    """
    room, body_days = found.limit * ENOUGH - found.used_at_start, settings.body_retention / DAY
    with_bodies = found.events_today * found.bytes_an_event
    if not with_bodies:
        return None
    if room < with_bodies * body_days:
        return max(0.0, room / with_bodies)
    return body_days + (room - with_bodies * body_days) / (found.events_today * WITHOUT_BODY)


WITHOUT_BODY = 490
"""Bytes of an ended event without its body, with its entries in the indexes (docs/sizing.md)."""


async def _round_trip(at: Deployment) -> float:
    start = time.perf_counter()
    await at.store.redis.ping()
    return time.perf_counter() - start
