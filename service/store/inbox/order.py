"""The order of events: some handlers run the events of one key one after the other."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import orjson

from service.security.encryption import Sealer
from service.store.inbox.records import EventRecord, parse_record
from service.store.store import Store

NO_LANE = "-"
"""The lane of an event that needs no order."""
_DIGEST_BYTES = 16


@dataclass(frozen=True, slots=True)
class Placing:
    """The lanes of one event, by handler: the first holds its place, the others are those of other encryption keys.

    The token is that of its lease. Without one, the event only takes its places. An urgent one has waited long enough
    for the places of earlier events.
    """

    event_id: str
    lanes: Mapping[str, Sequence[str]]
    token: str = ""
    is_urgent: bool = False


@dataclass(frozen=True, slots=True)
class Turn:
    """Which handlers of an event wait, by the id of the event before it.

    `is_lost` says that the lease is gone. `is_early` says that earlier events have no place yet.
    """

    waits: Mapping[str, str] = field(default_factory=dict)
    is_lost: bool = False
    is_early: bool = False


NOW = Turn()
"""The turn of an event that waits for none."""


def lanes(handler: str, key: str | None, encryption: Sealer) -> tuple[str, ...]:
    """Return the names of the lanes of a key. They are keyed digests, so they tell nothing about it."""
    if key is None:
        return (NO_LANE,)
    return tuple(each.hex() for each in encryption.briefs(f"{handler}\n{key}".encode(), _DIGEST_BYTES))


async def take_turns(
    store: Store, placings: Sequence[Placing], *, patient: bool = False
) -> tuple[list[Turn], list[EventRecord]]:
    """Give events their places, and return which handlers wait. Return too the first earlier events without a place.

    `patient` leaves out those that a worker has claimed, and is about to give their places. It may be repeated.

    Raises:
        redis.exceptions.RedisError: the server cannot be reached.
    """
    asked = orjson.dumps([*map(_words, placings)])
    others, found, *_ = await store.run("order", int(patient), asked)
    records = [
        parse_record(entry[0].decode(), dict(zip(entry[1::2], entry[2::2], strict=True)), store.encryption)
        for entry in found
    ]
    turns = [NOW] * len(placings)
    for number, *words in others:
        turns[number - 1] = _turn(*(each.decode() for each in words))
    return turns, records


async def register(store: Store, ordered: Mapping[str, Iterable[str]]) -> None:
    """Register handlers that run in order, with the open events that were accepted before.

    Raises:
        redis.exceptions.RedisError: the server cannot be reached. Repeat it.
    """
    words, cursor = orjson.dumps(ordered), b"0"
    while True:
        cursor = await store.run("order_register", words, cursor)
        if cursor == b"0":
            return


def _words(placing: Placing) -> list[str | list[str]]:
    return [placing.event_id, placing.token, *([handler, *several] for handler, several in placing.lanes.items())]


def _turn(verdict: str, *waits: str) -> Turn:
    before = dict(zip(waits[::2], waits[1::2], strict=True))
    return Turn(before, is_lost=verdict == "lost", is_early=verdict == "unkeyed")
