"""Looking for events, by what their records say.

No index has an entry for each event: it would cost memory for every one, and time at its acceptance. A string
per minute holds a few bytes for each type and number (`minute.lua`), which tell where to look. There, and for filters
without such bytes, scripts look through the records, page by page, the newest first: some seconds for a million, in
steps of milliseconds.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from redis.asyncio import Redis

from service.store.connection import server_time
from service.store.inbox.accept import PAGE, summaries, type_digest
from service.store.inbox.records import EventRecord
from service.store.store import Store

MINUTE = 60_000
MINUTES_AT_ONCE = 500
MARKED = 7 * 86_400_000
"""Milliseconds for which it is certain that a minute has its marks; `minute.lua` keeps them a day longer."""
FEW = 20_000
"""Open or dead events up to which all of them are looked through, rather than all events."""


@dataclass(frozen=True, slots=True)
class EventFilter:
    """The wanted events; a None matches everything.

    `type` may be a family, such as `10dlc.*`. `about` are the digests that a number may be
    found by. `since` and `until` are milliseconds:
    of arrival, or for dead events (`dead_ids`) of death. `died` and `reason` are of a handler that is dead.
    """

    state: str | None = None
    type: str | None = None
    handler: str | None = None
    about: tuple[bytes, ...] | None = None
    since: int | None = None
    until: int | None = None
    died: str | None = None
    reason: str | None = None

    def to_json(self, *, with_times: bool) -> bytes:
        """The form that the script reads."""
        told: dict[str, Any] = {
            name: getattr(self, name) for name in ("state", "type", "handler", "died", "reason") if getattr(self, name)
        }
        if self.about is not None:
            told["numbers"] = _either(self.about)
        if with_times:
            told |= {name: getattr(self, name) for name in ("since", "until") if getattr(self, name) is not None}
        return orjson.dumps(told)

    def marks(self) -> list[str]:
        """The digests that a minute must hold to hold such an event: of each, either of those with commas between."""
        found = [] if self.about is None else [_either(self.about)]
        if self.type is not None and not self.type.endswith("*"):
            found.append(type_digest(self.type).hex())
        return found


@dataclass(frozen=True, slots=True)
class _Page:
    """The result of one look: ids with their times of arrival (ms)."""

    looked_at: int
    found: list[tuple[str, int]]


def _either(digests: tuple[bytes, ...]) -> str:
    return ",".join(each.hex() for each in digests)


def _nobody(_: int) -> None:
    return


@dataclass
class ScanBudget:
    """How many records were looked at, and after how many that is enough."""

    most: float = float("inf")
    spent: int = 0
    tell: Callable[[int], None] = _nobody

    @property
    def is_enough(self) -> bool:
        """Whether the budget of events to look at is spent."""
        return self.spent >= self.most

    def __call__(self, more: int) -> None:
        """Some more were looked at."""
        self.spent += more
        self.tell(more)


async def search(
    store: Store, wanted: EventFilter, *, limit: int, effort: ScanBudget | None = None
) -> list[EventRecord]:
    """Up to `limit` such events, without bodies, the newest arrivals first, as far as the effort reaches."""
    ids: dict[str, None] = {}
    effort = effort or ScanBudget()
    async for page in matching(store, wanted, looked_at=effort):
        ids |= dict.fromkeys(page)
        if len(ids) >= limit or effort.is_enough:
            break
    chosen = list(ids)[:limit]
    return [
        each for start in range(0, len(chosen), PAGE) for each in await summaries(store, chosen[start : start + PAGE])
    ]


async def matching(
    store: Store, wanted: EventFilter, *, looked_at: Callable[[int], None] = _nobody
) -> AsyncIterator[list[str]]:
    """The ids of such events, the newest arrivals first, in pages. One may come twice while others arrive."""
    short = await _short_index(store, wanted.state)
    if short is not None:
        found: list[tuple[str, int]] = []
        async for each in _pages(store, wanted, short, ranks=(0, FEW * 2), looked_at=looked_at):
            found += each.found
        found.sort(key=lambda each: each[1], reverse=True)
        for start in range(0, len(found), PAGE):
            yield [event_id for event_id, _ in found[start : start + PAGE]]
        return
    async for since, until in _stretches(store, wanted):
        ranks = await _ranks(store.redis, store.keys.events, since, until)
        async for each in _pages(store, wanted, "events", ranks=ranks, looked_at=looked_at):
            yield [event_id for event_id, _ in each.found]


async def dead_ids(
    store: Store, wanted: EventFilter, *, limit: int | None = None, looked_at: Callable[[int], None] = _nobody
) -> list[str]:
    """The ids of such dead events, those that died last first."""
    ids: dict[str, None] = {}
    ranks = await _ranks(store.redis, store.keys.dead, wanted.since, wanted.until)
    async for each in _pages(store, wanted, "dead", ranks=ranks, looked_at=looked_at, with_times=False):
        ids |= dict.fromkeys(event_id for event_id, _ in each.found)
        if limit is not None and len(ids) >= limit:
            break
    return list(ids)[:limit]


async def filter_ids(store: Store, wanted: EventFilter, ids: Sequence[str]) -> list[str]:
    """Which of these (at most `PAGE`) are looked for."""
    if not ids:
        return []
    page = await _select(store, wanted.to_json(with_times=True), ("", 0, 0), *ids)
    return [event_id for event_id, _ in page.found]


async def _short_index(store: Store, state: str | None) -> str | None:
    """The index that holds few events but all of this state, if there is one."""
    index = {"open": ("queue", store.keys.queue), "dead": ("dead", store.keys.dead)}.get(state or "")
    if index is None or await store.redis.zcard(index[1]) > FEW:
        return None
    return index[0]


async def _stretches(store: Store, wanted: EventFilter) -> AsyncIterator[tuple[int | None, int | None]]:
    """From when to when (ms) there may be such events, the latest first."""
    digests = wanted.marks()
    if not digests:
        yield wanted.since, wanted.until
        return
    now = await server_time(store.redis)
    last = now if wanted.until is None else min(wanted.until, now)
    marked_since = now - MARKED
    first = max(marked_since, wanted.since or 0)
    minute = last // MINUTE
    while minute >= first // MINUTE:
        count = min(MINUTES_AT_ONCE, minute - first // MINUTE + 1)
        looked_at, *flat = await store.run("minutes", minute, count, *digests)
        for begins, ends in zip(flat[::2], flat[1::2], strict=True):
            yield max(first, begins * MINUTE), min(last, (ends + 1) * MINUTE - 1)
        minute -= looked_at
    if wanted.since is None or wanted.since < marked_since:
        yield wanted.since, min(last, marked_since - 1)


async def _ranks(redis: "Redis", index: str, since: int | None, until: int | None) -> tuple[int, int]:
    """From and up to which rank, counted from the newest, an index holds these times."""
    newer = 0 if until is None else await redis.zcount(index, f"({until}", "+inf")
    lowest, highest = "-inf" if since is None else since, "+inf" if until is None else until
    return newer, newer + await redis.zcount(index, lowest, highest)


async def _pages(
    store: Store,
    wanted: EventFilter,
    index: str,
    *,
    ranks: tuple[int, int],
    looked_at: Callable[[int], None],
    with_times: bool = True,
) -> AsyncIterator[_Page]:
    filters = wanted.to_json(with_times=with_times)
    first, end = ranks
    while first < end:
        page = await _select(store, filters, (index, first, min(PAGE, end - first)))
        looked_at(page.looked_at)
        yield page
        if page.looked_at == 0:
            return
        first += page.looked_at


async def _select(store: Store, filters: bytes, where: tuple[str, int, int], *ids: str) -> _Page:
    looked_at, *flat = await store.run("filter_ids", filters, *where, *ids)
    return _Page(
        looked_at, [(each.decode(errors="replace"), at) for each, at in zip(flat[::2], flat[1::2], strict=True)]
    )
