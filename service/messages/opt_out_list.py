"""Telnyx's own list of opt-outs. Its latest rows are read every 15 minutes, the whole list at a start and once a day.

It also holds opt-outs from times without Ringback, and from profiles of others.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import structlog
from redis.exceptions import RedisError
from telnyx import APIError, AsyncTelnyx, omit
from telnyx.types.messaging_optout_list_response import MessagingOptoutListResponse

from service import clock
from service.events import read_time
from service.events.consent import ConsentChange
from service.events.phone_number import canonical_number
from service.outbound.client import open_reader
from service.outbound.errors import classify_error
from service.outbound.list_pages import ListDoesNotEnd, pages
from service.security.masking import describe_error
from service.settings import Settings
from service.store.connection import connect, server_time
from service.store.facts.consent import record_consent
from service.store.facts.opt_out_reads import list_read_at, note_list_read, take_list_lock
from service.store.redis_errors import describe_cause
from service.store.store import Store, check_cancelled

log = structlog.get_logger(__name__)

PAGE = 250
"""Rows per request, the most that Telnyx gives. Source: OpenAPI `components.parameters.PageConsolidated`."""
DAY = 86400.0
QUARTER = 900.0
"""Seconds between two readings of the latest rows."""
OVERLAP = 3600.0
"""Seconds that the latest rows begin before the last reading. Telnyx may list a row late, and clocks differ."""
LOOK = 60.0
"""Seconds between looks at whether somebody else has read the list meanwhile."""
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 900.0
"""Seconds before the list is asked for again after a failure."""
LOCK = 600.0
"""Seconds for which one process reads the list, and no other."""
REDIS_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class ListReading:
    """How many numbers the list held, how many of them were new, and how many rows could not be read."""

    numbers: int = 0
    new: int = 0
    failed: int = 0


async def read_opt_outs(telnyx: AsyncTelnyx, store: Store, *, since: float | None = None) -> ListReading:
    """Keep every opt-out in Telnyx's list, page by page, or those created since a time (seconds since 1970).

    A number that is missing there stays opted out. It may have said STOP over RCS, or to a profile since deleted.

    Raises:
        telnyx.APIError: Telnyx refused, or could not be reached. The opt-outs read so far are kept.
        service.outbound.list_pages.ListDoesNotEnd: the list repeats a page. The same.
        redis.exceptions.RedisError: Redis cannot be reached. The same.
    """
    # By Redis's clock: one that is ahead must not keep the other workers from reading.
    reading, began = ListReading(), await server_time(store.redis) / 1000
    created: Any = omit if since is None else {"gte": datetime.fromtimestamp(since, UTC)}
    async for rows in pages(telnyx.messaging_optouts.list(created_at=created, page_size=PAGE), "opt-outs"):
        stops = [each for each in map(_change, rows) if each is not None]
        new = await record_consent(store, stops, now=clock.now())
        reading = ListReading(reading.numbers + len(stops), reading.new + new, reading.failed + len(rows) - len(stops))
    _, latest_at = await list_read_at(store)
    # A reading that begins after the last one ended leaves a gap, so it does not count.
    if since is None or (latest_at is not None and since <= latest_at):
        await note_list_read(store, at=began, whole=since is None)
    return reading


@asynccontextmanager
async def reading_opt_outs(settings: Settings, redis_url: str) -> AsyncIterator[None]:
    """Read the list now and once a day, beside the work of a worker, until the block ends."""
    task = asyncio.create_task(_keep_reading(settings, redis_url))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _keep_reading(settings: Settings, redis_url: str) -> None:
    """Read all at once, then daily, and the latest rows every 15 minutes. Another worker's reading serves too."""
    async with open_reader(settings) as telnyx, connect(redis_url, timeout=REDIS_SECONDS, connections=2) as redis:
        store = Store.of(redis, settings)
        await _read_until_done(telnyx, store, None)
        while True:
            await _rest(LOOK)
            due = await _due(store)
            if due is not None:
                await _read_until_done(telnyx, store, due.since)


async def _read_until_done(telnyx: AsyncTelnyx, store: Store, since: float | None) -> None:
    """Read the list, again and again until that has gone well."""
    pause = FIRST_PAUSE
    while not await _read(telnyx, store, since):
        await _rest(pause)
        pause = min(2 * pause, LONGEST_PAUSE)


async def _rest(seconds: float) -> None:
    check_cancelled()
    await asyncio.sleep(seconds)


async def _read(telnyx: AsyncTelnyx, store: Store, since: float | None) -> bool:
    """Read the list, and return whether that went well."""
    try:
        reading = await read_opt_outs(telnyx, store, since=since)
    except APIError as error:
        log.warning("Telnyx's opt-outs could not be read", reason=classify_error(error).reason)
    except ListDoesNotEnd as error:
        log.error("Telnyx's opt-outs could not be read to their end", error=str(error))
    except (RedisError, OSError) as error:
        log.warning("Telnyx's opt-outs wait for Redis", error=describe_cause(error))
    except Exception as error:  # noqa: BLE001 - whatever Telnyx sends, the next reading may be better
        log.error("reading Telnyx's opt-outs broke", error=describe_error(error))
    else:
        log.info("Telnyx's opt-outs read", numbers=reading.numbers, new=reading.new, failed=reading.failed)
        return True
    return False


@dataclass(frozen=True, slots=True)
class _Due:
    """A reading that is due: of the whole list, or of rows created `since` (seconds since 1970)."""

    since: float | None


async def _due(store: Store) -> _Due | None:
    """Return the reading that is due and that nobody else does now, if there is one."""
    try:
        whole_at, latest_at = await list_read_at(store)
        now = await server_time(store.redis) / 1000
        if whole_at is None or not 0 <= now - whole_at < DAY:
            due = _Due(None)
        elif latest_at is None or not 0 <= now - latest_at < QUARTER:
            due = _Due((latest_at or whole_at) - OVERLAP)
        else:
            return None
        return due if await take_list_lock(store, seconds=LOCK) else None
    except (RedisError, OSError):
        return None


def _change(row: MessagingOptoutListResponse | None) -> ConsentChange | None:
    """Return the opt-out in a row, or None where it bears no whole number (Telnyx can redact them).

    The SDK checks no row, so that it may be anything. It must not hide those after it.
    """
    number, since = canonical_number(getattr(row, "to", None)), read_time(getattr(row, "created_at", None))
    return None if number is None else ConsentChange(number, "out", since.timestamp() if since else None, "telnyx_list")
