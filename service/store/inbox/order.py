"""The order of events: some handlers run the events of one key one after the other."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import orjson

from service.security.encryption import Sealer
from service.store.inbox.records import EventRecord, parse_record, whole_number
from service.store.store import Store

NO_LANE = "-"
"""Stands for the digests of an event without a key, which needs no order."""
_ASK = b"?"
_DIGEST_BYTES = 8
# Two keys of one digest only wait for each other.


@dataclass(frozen=True, slots=True)
class Placing:
    """The digests of one event's keys, by handler: the first names its lane, others are those of other encryption keys.

    The token is that of its lease. Without one, the event only takes its places. An urgent one has waited long enough
    for the places of earlier events.
    """

    event_id: str
    digests: Mapping[str, Sequence[str]]
    token: str = ""
    is_urgent: bool = False


@dataclass(frozen=True, slots=True)
class Turn:
    """Which handlers of an event wait, by the id of the event before it.

    `is_lost` says that the lease is gone. `is_early` says that earlier events have no place yet. `follows` says that
    it waits on the worker that runs the event before it, and for no other.
    """

    waits: Mapping[str, str] = field(default_factory=dict)
    is_lost: bool = False
    is_early: bool = False
    follows: bool = False


NOW = Turn()
"""The turn of an event that waits for none."""


def key_digests(key: str | None, encryption: Sealer) -> tuple[str, ...]:
    """Return the digests of a key, which name lanes. They are keyed, so they tell nothing about it."""
    if key is None:
        return (NO_LANE,)
    return tuple(each.hex() for each in encryption.briefs(key.encode(), _DIGEST_BYTES))


def number_digests(number: str | None, encryption: Sealer) -> bytes:
    """Return the digests of an event's number as `place_in_order` in `lua/lib/orderings.lua` takes them."""
    return ",".join(key_digests(number, encryption)).encode()


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


async def register(store: Store, ordered: Mapping[str, Iterable[str]], *, by_number: Iterable[str] = ()) -> None:
    """Register handlers that run in order, with the open events that were accepted before.

    `by_number` names those whose key is the number. Then accept gives their events their lanes.

    Raises:
        redis.exceptions.RedisError: the server cannot be reached. Repeat it.
    """
    words, cursor = (orjson.dumps(ordered), orjson.dumps(dict.fromkeys(by_number, True))), b"0"
    while True:
        cursor = await store.run("order_register", *words, cursor)
        if cursor == b"0":
            return


async def in_order(store: Store, ids: Sequence[str]) -> list[str]:
    """Return the ids of events in the order of acceptance. Those without a place in it come first."""
    async with store.redis.pipeline(transaction=False) as pipeline:
        for event_id in ids:
            pipeline.hget(store.keys.event(event_id), "sequence")
        places = await pipeline.execute(raise_on_error=False)
    numbers = [whole_number(each) or 0 if isinstance(each, bytes) else 0 for each in places]
    return [event_id for _, event_id in sorted(zip(numbers, ids, strict=True))]


def read_turn(stored: bytes) -> Turn | None:
    """Return the turn of an event that does not run at once, as its claim answers it. None if its worker has to ask."""
    if stored == _ASK:
        return None
    waits = dict(each.split(" ", 1) for each in stored.decode().split("\n"))
    return Turn(waits, follows=True)


def _words(placing: Placing) -> list[str | list[str]]:
    return [placing.event_id, placing.token, *([handler, *several] for handler, several in placing.digests.items())]


def _turn(verdict: str, *waits: str) -> Turn:
    before = dict(zip(waits[::2], waits[1::2], strict=True))
    return Turn(before, is_lost=verdict == "lost", is_early=verdict == "unkeyed")
