"""Pages of events, the newest first. Each takes a limited time, and names the place where the next one begins.

Nothing is counted, and no page looks through everything. Where little matches, a page ends early.
"""

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

from service.store.inbox.accept import PAGE, summaries
from service.store.inbox.records import EventRecord
from service.store.inbox.search import EventFilter, ranks_between, select, stretches
from service.store.place import Place, place_at
from service.store.store import Store

FEW_OPEN = 500
"""Open events up to which all of them are looked through, and put in order."""


@dataclass(frozen=True, slots=True)
class EventPage:
    """The events of one page, the place where the next begins, and how many records were looked at.

    `next` is None at the end.
    """

    records: list[EventRecord]
    next: Place | None
    looked_at: int


async def event_page(
    store: Store,
    wanted: EventFilter,
    *,
    limit: int,
    seconds: float,
    after: Place | None = None,
    issue: str | None = None,
) -> EventPage:
    """Return a page of such events, those that arrived last first. Dead ones come in the order of their death.

    `issue` is the id of one: only its events are looked at.

    It ends after `limit` events, or once that took so many seconds.

    Raises:
        redis.exceptions.RedisError: Redis cannot be reached.
    """
    if wanted.state == "open" and await store.redis.zcard(store.keys.queue) <= FEW_OPEN:
        return await _open_page(store, wanted, limit, after)
    reading = _PageReading(store, wanted, after, time.monotonic() + seconds, issue)
    ids: dict[str, None] = {}
    async for found in reading.pages():
        ids |= dict.fromkeys(found)
        if len(ids) >= limit:
            break
    shown = list(ids)[:limit]
    end = await reading.place_after(shown[-1] if len(ids) >= limit else None)
    return EventPage(await summaries(store, shown), end, reading.looked_at)


@dataclass
class _PageReading:
    """One walk through an index."""

    store: Store
    wanted: EventFilter
    after: Place | None
    ends: float
    issue: str | None = None
    looked_at: int = 0
    _down_to: int | None = None
    _rank: int = 0
    _is_over: bool = True

    @property
    def _index(self) -> tuple[str, str]:
        if self.issue is not None:
            return f"died:{self.issue}", self.store.keys.died(self.issue)
        is_dead = self.wanted.state == "dead"
        return ("dead", self.store.keys.dead) if is_dead else ("events", self.store.keys.events)

    async def pages(self) -> AsyncIterator[list[str]]:
        name, key = self._index
        filters = self.wanted.to_json(with_times=name == "events")
        async for since, until in self._times():
            rank, end = await ranks_between(self.store.redis, key, since, until)
            rank += self.after.passed if self.after is not None and until == self.after.at else 0
            while rank < end:
                looked, found = await select(self.store, filters, (name, rank, min(PAGE, end - rank)))
                rank += looked
                self.looked_at += looked
                self._rank, self._is_over = rank, rank >= end or looked == 0
                yield [event_id for event_id, _ in found]
                if looked == 0:
                    break
                if time.monotonic() >= self.ends:
                    self._is_over = False
                    return

    async def _times(self) -> AsyncIterator[tuple[int | None, int | None]]:
        """Yield the times (ms) between which to look, the latest first. They begin at the place of this page."""
        wanted = self.wanted if self.after is None else replace(self.wanted, until=self.after.at)
        if self._index[0] != "events":
            yield wanted.since, wanted.until
            return
        async for each in stretches(self.store, wanted, is_enough=self._is_enough):
            self._down_to = None
            yield each

    def _is_enough(self, down_to: int) -> bool:
        """Return whether the time is up. Then the next page begins at this time (ms)."""
        self._down_to = down_to if time.monotonic() >= self.ends else None
        return self._down_to is not None

    async def place_after(self, event_id: str | None) -> Place | None:
        """Return the place after an event that was found, or else after the last one that was looked at."""
        if event_id is None and self._down_to is not None:
            return Place(self._down_to, 0)
        if event_id is None and self._is_over:
            return None
        key, rank = self._index[1], self._rank
        if event_id is not None:
            found: int | None = await self.store.redis.zrevrank(key, event_id)
            rank = rank if found is None else found + 1
        return await place_at(self.store.redis, key, rank)


async def _open_page(store: Store, wanted: EventFilter, limit: int, after: Place | None) -> EventPage:
    """Return a page of open events where they are few: all of them are in the queue."""
    found: list[tuple[str, int]] = []
    rank, looked = 0, 1
    while looked:
        looked, page = await select(store, wanted.to_json(with_times=True), ("queue", rank, PAGE))
        rank += looked
        found += page
    found.sort(key=lambda each: (-each[1], each[0]))
    start = 0 if after is None else sum(at > after.at for _, at in found) + after.passed
    shown = found[start : start + limit]
    end = None
    if start + limit < len(found):
        at = shown[-1][1]
        end = Place(at, sum(each[1] == at for each in found[: start + limit]))
    return EventPage(await summaries(store, [event_id for event_id, _ in shown]), end, rank)
