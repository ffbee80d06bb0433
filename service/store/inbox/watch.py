"""Watching events: what changes about those that a filter wants."""

from collections import OrderedDict
from dataclasses import dataclass, field

from service.store.connection import server_time
from service.store.inbox.accept import PAGE, summaries
from service.store.inbox.records import EventRecord
from service.store.inbox.search import EventFilter, filter_ids
from service.store.store import Store

MOST_AT_ONCE = 1000
"""Events that one look takes from each index. Further ones are only counted."""
MOST_OPEN = 500
"""Open events that are looked at again each time, those that arrived last."""


@dataclass(frozen=True, slots=True)
class Changes:
    """Changes since the last look: records without bodies, and how many changed ones were passed over."""

    records: list[EventRecord]
    passed_over: int


@dataclass
class Watch:
    """Sees what changes about the wanted events, from the first look on.

    It looks at the ends of three indexes, so it costs neither workers nor the ingress anything.
    """

    store: Store
    wanted: EventFilter
    _seen_until: int | None = None
    _known: "OrderedDict[str, EventRecord]" = field(default_factory=OrderedDict)

    async def look(self) -> Changes:
        """Return the changes since the last look. The first one sees nothing.

        Raises:
            redis.exceptions.RedisError: Redis cannot be reached. Look again later.
        """
        # Of the current millisecond more may be to come.
        until = await server_time(self.store.redis) - 1
        since, self._seen_until = self._seen_until, until
        if since is None:
            return Changes([], 0)
        try:
            ids, passed_over = await self._moved(since, until)
        except BaseException:
            # A cancelled look counts as none too: its changes must be in the next one.
            self._seen_until = since
            raise
        still_open = [each.id for each in self._known.values() if each.state == "open"][-MOST_OPEN:]
        changed = await self._changed(list(dict.fromkeys([*ids, *still_open])))
        return Changes(changed, passed_over)

    async def _moved(self, since: int, until: int) -> tuple[list[str], int]:
        """Return the ids that arrived or ended after `since`."""
        ids: list[str] = []
        passed_over = 0
        for index in (self.store.keys.events, self.store.keys.ended, self.store.keys.dead):
            found = await self.store.redis.zrangebyscore(index, f"({since}", until, start=0, num=MOST_AT_ONCE)
            ids += (each.decode(errors="replace") for each in found)
            if len(found) == MOST_AT_ONCE:
                passed_over += await self.store.redis.zcount(index, f"({since}", until) - MOST_AT_ONCE
        return ids, passed_over

    async def _changed(self, ids: list[str]) -> list[EventRecord]:
        changed: list[EventRecord] = []
        for start in range(0, len(ids), PAGE):
            chosen = await filter_ids(self.store, self.wanted, ids[start : start + PAGE])
            changed += [each for each in await summaries(self.store, chosen) if self._known.get(each.id) != each]
        for record in changed:
            self._known[record.id] = record
            self._known.move_to_end(record.id)
        while len(self._known) > MOST_AT_ONCE * 4:
            self._known.popitem(last=False)
        return changed
