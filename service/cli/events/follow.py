"""`ringback events follow`."""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

from redis.exceptions import RedisError

from service.cli.connections import with_redis
from service.cli.events.event_list import OddRecords
from service.cli.events.filters import selects_present_events
from service.cli.options import JsonOption
from service.cli.output import say, say_json
from service.dashboard.timeline import Line, build, since
from service.security.masking import shown_type
from service.store.connection import server_time
from service.store.effects.ledger import effects_of
from service.store.inbox.event_export import format_timestamp
from service.store.inbox.records import EventRecord
from service.store.inbox.search import EventFilter
from service.store.inbox.watch import Watch
from service.store.store import Store

PAUSE = 0.5
"""Seconds between two looks."""
MOST_REMEMBERED = 4000
"""Events whose shown lines are remembered."""


@selects_present_events
def follow(
    *,
    selection: EventFilter,
    as_json: JsonOption = False,
) -> None:
    """Show changes to events when they happen, until Ctrl-C.

    Looks twice a second. Where there are more changes than it can show, it says how many it left out.

    Exit codes: 0 ended by Ctrl-C, 1 Redis is unreachable, 2 bad usage.
    """
    try:
        with_redis(lambda store: _follow(store, selection, as_json=as_json))
    except KeyboardInterrupt:
        return


@dataclass
class _Teller:
    """A printer of each event's new lines."""

    store: Store
    began: int
    as_json: bool
    odd: OddRecords = field(default_factory=OddRecords)
    _known: OrderedDict[str, set[Line]] = field(default_factory=OrderedDict)

    async def tell_of(self, records: list[EventRecord]) -> None:
        """Print the new lines of these events, in order."""
        fresh = [(line, record) for record in records for line in await self._told(record)]
        for line, record in sorted(fresh, key=lambda each: each[0].at):
            if self.as_json:
                say_json(_as_json(line, record), indent=False)
            else:
                say(_in_words(line, record))

    async def _told(self, record: EventRecord) -> list[Line]:
        try:
            return await self._fresh(record)
        except (RedisError, OSError):
            raise
        except Exception as error:  # noqa: BLE001 - a record of any kind must not hide the others
            self.odd.tell(record.id, error)
            return []

    async def _fresh(self, record: EventRecord) -> list[Line]:
        effects = await effects_of(self.store, record.id)
        told = self._known.setdefault(record.id, set())
        self._known.move_to_end(record.id)
        while len(self._known) > MOST_REMEMBERED:
            self._known.popitem(last=False)
        fresh = [line for line in since(build(record, effects, self.began), self.began) if line not in told]
        told.update(fresh)
        return fresh


async def _follow(store: Store, selection: EventFilter, *, as_json: bool) -> None:
    watch, teller = Watch(store, selection), _Teller(store, await server_time(store.redis), as_json)
    away = False
    await watch.look()
    say("Following; Ctrl-C ends it.", err=True)
    while True:
        await asyncio.sleep(PAUSE)
        try:
            changes = await watch.look()
            await teller.tell_of(changes.records)
        except (RedisError, OSError):
            if not away:
                say("Redis is unreachable: waiting for it.", err=True)
            away = True
            continue
        away = False
        if changes.passed_over:
            say(f"Too much at once: {changes.passed_over} changes were passed over.", err=True)


def _in_words(line: Line, record: EventRecord) -> str:
    who = f"{line.handler} " if line.handler else ""
    return f"{format_timestamp(line.at)[11:23]}  {record.id}  {shown_type(record.type)}  {who}{line.text}"


def _as_json(line: Line, record: EventRecord) -> dict[str, Any]:
    return {
        "at": format_timestamp(line.at),
        "id": record.id,
        "type": record.type,
        "state": record.state,
        "kind": line.kind,
        "handler": line.handler,
        "text": line.text,
    }
