"""`ringback events`."""

from enum import StrEnum
from typing import Annotated

import typer
from redis.asyncio import Redis

from service.cli.event_list import show_events
from service.cli.session import ask
from service.store.inbox import find
from service.store.keys import Keys
from service.store.records import EventRecord

PAGE = 500

events = typer.Typer(help="Look at what was received, and at what became of it.", no_args_is_help=True)


class State(StrEnum):
    """The states of an event."""

    OPEN = "open"
    DONE = "done"
    IGNORED = "ignored"
    DEAD = "dead"


@events.command("list")
def list_events(
    state: Annotated[State | None, typer.Option(help="Only events in this state.")] = None,
    event_type: Annotated[
        str | None, typer.Option("--type", metavar="TYPE", help="Only events of this type, such as message.finalized.")
    ] = None,
    limit: Annotated[int, typer.Option(help="How many at most.", min=1)] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="Print an array for machines.")] = False,  # noqa: FBT002
) -> None:
    """List events by the time of their arrival, the newest first, with what each handler made of them.

    Exit codes: 0 listed, 1 Redis cannot be had, 2 bad usage.
    """
    found = ask(lambda redis, keys: newest(redis, keys, limit=limit, state=state, event_type=event_type))
    show_events(found, as_json=as_json, none="No such event is remembered.")


async def newest(
    redis: "Redis", keys: Keys, *, limit: int, state: str | None, event_type: str | None
) -> list[EventRecord]:
    """Up to `limit` events in this state and of this type (None: any), by time of arrival, the newest first."""
    found: dict[str, EventRecord] = {}
    start = 0
    while len(found) < limit and (ids := await redis.zrange(keys.events, start, start + PAGE - 1, desc=True)):
        for event_id in await _fitting(redis, keys, ids, state, event_type):
            # Arrivals meanwhile shift the ranks, so that an id may come up twice.
            if len(found) < limit and (record := await find(redis, keys, event_id)) is not None:
                found[event_id] = record
        start += PAGE
    return list(found.values())


async def _fitting(
    redis: "Redis", keys: Keys, ids: list[bytes], state: str | None, event_type: str | None
) -> list[str]:
    """Those of the ids that fit, told without reading whole records."""
    async with redis.pipeline(transaction=False) as pipe:
        for event_id in ids:
            pipe.hmget(keys.event(event_id.decode()), ["state", "type"])
        answers: list[list[bytes | None]] = await pipe.execute()
    wanted = [word and word.encode() for word in (state, event_type)]
    return [
        event_id.decode()
        for event_id, known in zip(ids, answers, strict=True)
        if all(word in (None, value) for word, value in zip(wanted, known, strict=True))
    ]
