"""Looking for events, by what their records say.

No index has an entry for each event: it would cost memory for every one, and time at its acceptance. A string
per minute holds a few bytes for each type and number (`minute.lua`), which tell where to look. There, and for filters
without such bytes, scripts look through the records, page by page, the newest first. A million takes some seconds, in
steps of milliseconds.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import orjson
from redis.asyncio import Redis

from service.store.connection import server_time
from service.store.inbox.accept import PAGE, summaries, type_digest
from service.store.inbox.records import EventRecord
from service.store.operators.issues import read_issues
from service.store.store import Store

MINUTE = 60_000
MINUTES_AT_ONCE = 500
MARKED = 7 * 86_400_000
"""Milliseconds for which it is certain that a minute has its marks. `minute.lua` keeps them a day longer."""
FEW = 20_000
"""Open or dead events up to which all of them are looked through, rather than all events."""


@dataclass(frozen=True, slots=True)
class EventFilter:
    """The wanted events. A None matches everything.

    `type` may be a family, such as `10dlc.*`. `about` are the digests that a number may be found by. `since` and
    `until` are milliseconds: of arrival, or for dead events (`dead_ids`) of death. `died` and `reason` are of a dead
    handler. The reason `OTHER` of issues stands for all that are counted together. `because` is the reason of any
    handler. `attempts` says how often a handler has run at least. `message` are the digests that a message may be found
    by (`message_digests`). `without_crons` leaves periodic events out.
    """

    state: str | None = None
    type: str | None = None
    handler: str | None = None
    about: tuple[bytes, ...] | None = None
    since: int | None = None
    until: int | None = None
    died: str | None = None
    reason: str | None = None
    because: str | None = None
    attempts: int | None = None
    message: tuple[bytes, ...] | None = None
    without_crons: bool = False

    def to_json(self, *, with_times: bool) -> bytes:
        """Return the form that the script reads."""
        told: dict[str, Any] = {name: getattr(self, name) for name in _PLAIN if getattr(self, name)}
        if self.about is not None:
            told["numbers"] = _either(self.about)
        if self.message is not None:
            told["message"] = _either(self.message)
        if with_times:
            told |= {name: getattr(self, name) for name in ("since", "until") if getattr(self, name) is not None}
        return orjson.dumps(told)

    @classmethod
    def from_told(cls, told: Mapping[str, Any]) -> Self:
        """Return the filter that `to_json` has written."""
        digests: dict[str, Any] = {
            name: tuple(bytes.fromhex(each) for each in told[stored].split(","))
            for name, stored in (("about", "numbers"), ("message", "message"))
            if stored in told
        }
        return cls(**{name: told[name] for name in (*_PLAIN, "since", "until") if name in told}, **digests)

    def marks(self) -> list[str]:
        """Return the digests that a minute with such an event holds. Commas join alternatives."""
        found = [_either(each) for each in (self.about, self.message) if each is not None]
        if self.type is not None and not self.type.endswith("*"):
            found.append(type_digest(self.type).hex())
        return found


_PLAIN = ("state", "type", "handler", "died", "reason", "because", "attempts", "without_crons")
_Found = list[tuple[str, int]]
"""Ids with their times of arrival (ms)."""


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
        """Count further records."""
        self.spent += more
        self.tell(more)


async def search(
    store: Store, wanted: EventFilter, *, limit: int, effort: ScanBudget | None = None
) -> list[EventRecord]:
    """Return up to `limit` such events without bodies, the newest arrivals first, within the budget `effort`."""
    ids: dict[str, None] = {}
    effort = effort or ScanBudget()
    async for page in matching(store, wanted, looked_at=effort):
        ids |= dict.fromkeys(page)
        if len(ids) >= limit or effort.is_enough:
            break
    return await summaries(store, list(ids)[:limit])


async def matching(
    store: Store, wanted: EventFilter, *, looked_at: Callable[[int], None] = _nobody
) -> AsyncIterator[list[str]]:
    """Yield the ids of such events, the newest arrivals first, in pages. One may come twice while others arrive."""
    short = await _short_index(store, wanted.state)
    if short is not None:
        found: _Found = []
        async for page in _pages(store, wanted, short, ranks=(0, FEW * 2), looked_at=looked_at):
            found += page
        found.sort(key=lambda each: each[1], reverse=True)
        for start in range(0, len(found), PAGE):
            yield [event_id for event_id, _ in found[start : start + PAGE]]
        return
    async for since, until in stretches(store, wanted):
        ranks = await ranks_between(store.redis, store.keys.events, since, until)
        async for page in _pages(store, wanted, "events", ranks=ranks, looked_at=looked_at):
            yield [event_id for event_id, _ in page]


async def dead_ids(store: Store, wanted: EventFilter, *, limit: int | None = None) -> list[str]:
    """Return the ids of such dead events. With a limit, they are those that died last, the last first."""
    ids: dict[str, None] = {}
    indexes = await _dead_indexes(store, wanted)
    for index in indexes:
        found: dict[str, None] = {}
        async for page in _dead_pages(store, wanted, index):
            found |= dict.fromkeys(page)
            if limit is not None and len(found) >= limit:
                break
        ids |= found
    if limit is not None and len(indexes) > 1 and ids:
        deaths = await store.redis.zmscore(store.keys.dead, list(ids))
        times = {event_id: at or 0 for event_id, at in zip(ids, deaths, strict=True)}
        return sorted(ids, key=lambda event_id: -times[event_id])[:limit]
    return list(ids)[:limit]


async def dead_pages(store: Store, wanted: EventFilter) -> AsyncIterator[list[str]]:
    """Yield the ids of such dead events in pages. One with several causes may come several times."""
    for index in await _dead_indexes(store, wanted):
        async for page in _dead_pages(store, wanted, index):
            yield page


async def _dead_pages(store: Store, wanted: EventFilter, index: str) -> AsyncIterator[list[str]]:
    """Yield the ids of such events in an index of dead events, those that died last first."""
    ranks = await ranks_between(store.redis, f"{store.namespace}:{index}", wanted.since, wanted.until)
    async for page in _pages(store, wanted, index, ranks=ranks, looked_at=_nobody, with_times=False):
        yield [event_id for event_id, _ in page]


async def _dead_indexes(store: Store, wanted: EventFilter) -> list[str]:
    """Return the shortest indexes that together hold all such dead events, that of the latest death first."""
    if wanted.died is None and wanted.reason is None:
        return ["dead"]
    return [
        f"died:{each.id}"
        for each in await read_issues(store)
        if each.count
        and wanted.died in (None, each.handler)
        and (wanted.reason in (None, each.reason) or each.is_others)
    ]


async def filter_ids(store: Store, wanted: EventFilter, ids: Sequence[str]) -> list[str]:
    """Return the wanted ones of these (at most `PAGE`)."""
    if not ids:
        return []
    _, found = await select(store, wanted.to_json(with_times=True), ("", 0, 0), *ids)
    return [event_id for event_id, _ in found]


async def _short_index(store: Store, state: str | None) -> str | None:
    """Return the index that holds few events but all of this state, if there is one."""
    index = {"open": ("queue", store.keys.queue), "dead": ("dead", store.keys.dead)}.get(state or "")
    if index is None or await store.redis.zcard(index[1]) > FEW:
        return None
    return index[0]


async def stretches(
    store: Store, wanted: EventFilter, *, is_enough: Callable[[int], bool] = lambda _: False
) -> AsyncIterator[tuple[int | None, int | None]]:
    """Yield the times (ms) between which there may be such events, the latest first.

    `is_enough` gets the time down to which the minutes were looked at, and ends the search.
    """
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
        if minute >= first // MINUTE and is_enough((minute + 1) * MINUTE - 1):
            return
    if wanted.since is None or wanted.since < marked_since:
        yield wanted.since, min(last, marked_since - 1)


async def ranks_between(redis: "Redis", index: str, since: int | None, until: int | None) -> tuple[int, int]:
    """Return the first and the last rank of these times in an index, counted from the newest."""
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
) -> AsyncIterator[_Found]:
    filters = wanted.to_json(with_times=with_times)
    first, end = ranks
    while first < end:
        looked, found = await select(store, filters, (index, first, min(PAGE, end - first)))
        looked_at(looked)
        yield found
        if looked == 0:
            return
        first += looked


async def select(store: Store, filters: bytes, where: tuple[str, int, int], *ids: str) -> tuple[int, _Found]:
    """Return how many records were looked at, and the wanted ones."""
    looked_at, *flat = await store.run("filter_ids", filters, *where, *ids)
    return looked_at, [(each.decode(errors="replace"), at) for each, at in zip(flat[::2], flat[1::2], strict=True)]
