"""Erasing what is known of a number: found by looking through everything, in steps that hold nobody up."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field

import orjson
from redis.asyncio import Redis
from redis.exceptions import RedisError

from service.events.phone_number import canonical_number
from service.security.masking import describe_error
from service.security.numbers import NumberMatcher, digests_of
from service.store.effects.ledger import effects_of
from service.store.facts.remembered import forget_number
from service.store.inbox.accept import find
from service.store.inbox.search import EventFilter, matching
from service.store.store import Store, in_pages

PAGE = 50
"""Events read in one go, and erased by one script."""
SCAN = 500
_OF_A_RECIPIENT = ("status", "carrier", "source", "right", "held", "sent", "double_delivery", "excluded_events")


@dataclass
class Erased:
    """The erased data of a number.

    The events `still_open` are erased when they end, `unread` ones no key opens. `failed` says why others could not be
    read. `opt_out` says how the number's consent is kept: `hidden`, `plain` without a key, or not at all.
    `still_found` are the events that a search for the number finds afterwards. Of the events `looked_at`, those `named`
    name the number.
    """

    looked_at: set[str] = field(default_factory=set)
    named: list[str] = field(default_factory=list)
    bodies: int = 0
    effects: int = 0
    states: int = 0
    remembered: int = 0
    still_open: list[str] = field(default_factory=list)
    unread: set[str] = field(default_factory=set)
    failed: dict[str, str] = field(default_factory=dict)
    opt_out: str = ""
    still_found: list[str] = field(default_factory=list)


async def erase(
    store: Store,
    *spellings: str,
    progress: Callable[[int], None] = lambda _: None,
    begun: Erased | None = None,
) -> Erased:
    """Erase all that is known of a number, under each of its spellings, but its consent.

    `progress` is called with numbers of events.

    `begun` is filled meanwhile. One that an outage cut off goes on with the page that it had reached.

    Raises:
        redis.exceptions.RedisError: some of it may be left. Doing it again is harmless.
    """
    numbers, erased = [canonical_number(each) or each for each in spellings], begun or Erased()
    await _erase_again(store, erased)
    await _erase_from_events(store, NumberMatcher.of(*numbers), erased, progress)
    forms = list(dict.fromkeys([*(form for each in numbers for form in store.encryption.forms(each)), *spellings]))
    await _erase_states(store, forms, erased)
    erased.remembered += await store.redis.delete(
        *(key(form) for form in forms for key in (store.keys.replies, store.keys.rcs))
    )
    for number in numbers:
        erased.remembered += await forget_number(store, number)
        erased.opt_out = await _erase_opt_out(store, number) or erased.opt_out
    about = tuple(digest for number in numbers for digest in digests_of(number, store.encryption))
    erased.still_found = [each async for page in matching(store, EventFilter(about=about)) for each in page]
    return erased


async def erase_ended(store: Store) -> int:
    """Erase some of the events that were open when they were to be, and have ended. Return how many."""
    ids: list[bytes] = await store.redis.srandmember(store.keys.erasing, PAGE)  # type: ignore[misc]
    answers = await store.run("erase", *ids) if ids else []
    return sum(answer[0] == b"erased" for answer in answers)


async def forget_old_writes(redis: "Redis") -> bool:
    """Have the server rewrite its append-only file, which holds erased data. Return False if it refuses."""
    try:
        await redis.execute_command("BGREWRITEAOF")  # type: ignore[no-untyped-call]
    except RedisError:
        return False
    return True


async def _erase_again(store: Store, erased: Erased) -> None:
    """Erase the events that an earlier attempt has found. A server that lost its latest writes has them whole again."""
    erased.effects, erased.still_open = 0, []
    for start in range(0, len(erased.named), PAGE):
        await _erase_events(store, erased.named[start : start + PAGE], erased)


async def _erase_from_events(
    store: Store, mention: NumberMatcher, erased: Erased, progress: Callable[[int], None]
) -> None:
    async for page in _pages(store):
        unseen = [each for each in dict.fromkeys(page) if each not in erased.looked_at]
        names = await asyncio.gather(*(_names(store, each, mention, erased) for each in unseen))
        named = [each for each, is_named in zip(unseen, names, strict=True) if is_named]
        await _erase_events(store, named, erased)
        erased.named += named
        erased.looked_at.update(unseen)
        progress(len(unseen))


async def _pages(store: Store) -> AsyncIterator[list[str]]:
    """Yield the ids of all events, in no order, some twice.

    A scan misses nothing that is there all the time. Ranks shift while other events expire or are dropped. It always
    begins at the front, since a server that was started again reads an earlier position as another one.
    """
    async for found in in_pages(store.redis.zscan_iter(store.keys.events, count=PAGE), PAGE):
        yield [each.decode(errors="replace") for each, _ in found]


async def _names(store: Store, event_id: str, mention: NumberMatcher, erased: Erased) -> bool:
    """Return whether an event, or what was sent for it, names the number."""
    try:
        record = await find(store, event_id)
        effects = await effects_of(store, event_id) if record else []
        answers = (each.answer.body for each in effects if each.answer)
        contents = [record.body if record else None, *(each.body for each in effects), *answers]
        if any(mention.within(content) for content in contents):
            return True
    except RedisError:
        raise
    except Exception as error:  # noqa: BLE001 - a record of any kind must not keep the others from being erased
        erased.failed[event_id] = describe_error(error)
        return False
    if record is not None:
        sealed = record.sealed_under is not None or "body" in record.damaged
        if sealed or any(each.unread for each in effects):
            erased.unread.add(event_id)
    return False


async def _erase_events(store: Store, ids: Sequence[str], erased: Erased) -> None:
    answers = await store.run("erase", *ids) if ids else []
    for event_id, (verdict, *counts) in zip(ids, answers, strict=True):
        if verdict == b"open":
            erased.still_open.append(event_id)
        elif verdict == b"erased":
            erased.bodies += int(counts[0])
            erased.effects += counts[1]


async def _erase_states(store: Store, forms: Sequence[str], erased: Erased) -> None:
    """Take a recipient out of the states of all messages."""
    fields = [f"{name}:{form}" for name in _OF_A_RECIPIENT for form in forms]
    async for found in in_pages(store.redis.scan_iter(match=store.keys.message("*"), count=SCAN), SCAN):
        async with store.redis.pipeline(transaction=False) as pipeline:
            for key in found:
                pipeline.hdel(key, *fields)
            erased.states += sum(1 for removed in await pipeline.execute() if removed)


async def _erase_opt_out(store: Store, number: str) -> str:
    if not store.encryption.active:
        [form] = store.encryption.forms(number)
        return "plain" if await store.redis.hexists(store.keys.optouts, form) else ""  # type: ignore[misc]
    forms = orjson.dumps(store.encryption.forms(number))
    return "hidden" if await store.run("optout_rewrite", 1, forms, "") else ""
