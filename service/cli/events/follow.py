"""`ringback events follow`."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
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
from service.store.inbox.accept import find_all
from service.store.inbox.records import EventRecord
from service.store.inbox.search import EventFilter
from service.store.inbox.transfer import format_timestamp
from service.store.inbox.watch import Watch
from service.store.store import Store

PAUSE = 0.5
"""Seconds between two looks."""
MOST_REMEMBERED = 4000
"""Events whose shown lines are remembered."""

FreshLines = Callable[[EventRecord], Awaitable[list[Line]]]
"""From an event to those of its lines that were not shown before."""


@selects_present_events
def follow(*, selection: EventFilter, as_json: JsonOption = False) -> None:
    """Show changes to events when they happen, until Ctrl-C.

    Looks twice a second. Where there are more changes than it can show, it says how many it left out.

    Exit codes: 0 ended by Ctrl-C, 1 Redis is unreachable or nobody takes the output, 2 bad usage.
    """
    try:
        with_redis(lambda store: _follow(store, selection, as_json=as_json))
    except KeyboardInterrupt:
        return


def follow_to_the_end(event_ids: Sequence[str], *, as_json: bool) -> bool:
    """Show what happens to events until all have ended, or until Ctrl-C. Return whether none is dead."""
    try:
        return with_redis(lambda store: _follow_to_the_end(store, event_ids, as_json=as_json))
    except KeyboardInterrupt:
        return True


async def _follow_to_the_end(store: Store, event_ids: Sequence[str], *, as_json: bool) -> bool:
    fresh, states = _fresh_lines(store, 0), dict.fromkeys(event_ids, "open")
    while True:
        open_ids = [event_id for event_id, state in states.items() if state == "open"]
        records = await find_all(store, open_ids)
        _print(await _fresh_of(records, fresh), as_json=as_json)
        # An event that is not in this store will not end here.
        states |= dict.fromkeys(open_ids, "gone") | {record.id: record.state for record in records}
        if "open" not in states.values():
            return not {"dead", "gone"} & set(states.values())
        await asyncio.sleep(PAUSE)


async def _fresh_of(records: Iterable[EventRecord], fresh: FreshLines) -> list[tuple[Line, EventRecord]]:
    """Return the lines of events that were not shown before, in the order of their times."""
    dated = []
    for record in records:
        lines = await fresh(record)
        # The worker's clock and Redis's differ by a millisecond: an event ends after the runs that led to it.
        last = max((line.at for line in lines), default=0)
        dated += [(last if line.kind == "ended" else line.at, line.kind == "ended", line, record) for line in lines]
    return [(line, record) for _, _, line, record in sorted(dated, key=lambda each: each[:2])]


def _print(lines: Iterable[tuple[Line, EventRecord]], *, as_json: bool) -> None:
    for line, record in lines:
        if as_json:
            say_json(_as_json(line, record), indent=False)
        else:
            say(_in_words(line, record))


def _fresh_lines(store: Store, began: int) -> FreshLines:
    """Return a function that returns those lines of an event since `began` that it has not returned before."""
    known: dict[str, set[Line]] = {}
    odd = OddRecords()

    async def fresh(record: EventRecord) -> list[Line]:
        try:
            lines = since(build(record, await effects_of(store, record.id), began), began)
        except (RedisError, OSError):
            raise
        except Exception as error:  # noqa: BLE001 - a record of any kind must not hide the others
            odd.tell(record.id, error)
            return []
        told = known.pop(record.id, set())
        # The newest is last, so that the first is the one to forget.
        known[record.id] = told | set(lines)
        if len(known) > MOST_REMEMBERED:
            del known[next(iter(known))]
        return [line for line in lines if line not in told]

    return fresh


async def _follow(store: Store, selection: EventFilter, *, as_json: bool) -> None:
    watch, fresh = Watch(store, selection), _fresh_lines(store, await server_time(store.redis))
    away = False
    await watch.look()
    say("Following. Ctrl-C ends it.", err=True)
    while True:
        await asyncio.sleep(PAUSE)
        try:
            changes = await watch.look()
            lines = await _fresh_of(changes.records, fresh)
        except (RedisError, OSError):
            if not away:
                say("Redis is unreachable: waiting for it.", err=True)
            away = True
            continue
        away = False
        # A closed pipe or a full disk is no outage of Redis: it ends the command.
        _print(lines, as_json=as_json)
        if changes.passed_over:
            say(f"Too much at once: {changes.passed_over} changes were passed over.", err=True)


def _in_words(line: Line, record: EventRecord) -> str:
    who = f"{line.handler} " if line.handler else ""
    return f"{format_timestamp(line.at)[11:23]}  {record.id}  {shown_type(record.type)}  {who}{line.text}"


def _as_json(line: Line, record: EventRecord) -> dict[str, Any]:
    event = {"id": record.id, "type": record.type, "state": record.state}
    return {"at": format_timestamp(line.at), **event, "kind": line.kind, "handler": line.handler, "text": line.text}
