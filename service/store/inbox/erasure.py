"""Erasing what is known of a number: found by looking through everything, in steps that hold nobody up."""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field

import orjson
from redis.asyncio import Redis
from redis.exceptions import RedisError

from service.events.phone_number import canonical_number
from service.security.masking import describe_error
from service.security.number_digests import digests_of
from service.security.number_matcher import NumberMatcher
from service.store.effects.ledger import effects_of
from service.store.inbox.accept import find
from service.store.inbox.search import EventFilter, matching
from service.store.keys import Keys
from service.store.scripts import run, script

ERASE = script("erase")
ERASE_OPT_OUT = script("optout_erase")

PAGE = 50
"""Events read in one go, and erased by one script."""
SCAN = 500
_OF_A_RECIPIENT = ("status", "carrier", "right", "held", "sent", "doubled", "excluded_events")


@dataclass
class Erased:
    """The erased data of a number.

    The events `still_open` are erased when they end, `unread` ones no key opens. `failed` says why others could not be
    read. `opt_out` says how an opt-out or
    opt-in of the number is kept: `hidden` under a keyed hash, `plain` where there is no key, or not at all.
    `still_found` are the events that a search for the number finds afterwards.
    """

    looked_at: int = 0
    bodies: int = 0
    effects: int = 0
    states: int = 0
    remembered: int = 0
    still_open: list[str] = field(default_factory=list)
    unread: int = 0
    failed: dict[str, str] = field(default_factory=dict)
    opt_out: str = ""
    still_found: list[str] = field(default_factory=list)


async def erase(redis: "Redis", keys: Keys, number: str, *, progress: Callable[[int], None] = lambda _: None) -> Erased:
    """Take away all that is known of a number but what it has said about being written to; `progress` hears of events.

    Raises:
        redis.exceptions.RedisError: some of it may be left; doing it again is harmless.
    """
    plain, erased = canonical_number(number) or number, Erased()
    mention = NumberMatcher.of(plain)
    async for page in _pages(redis, keys):
        named = [each for each in page if await _may_name(redis, keys, each, mention, erased)]
        await _erase_events(redis, keys, named, erased)
        erased.looked_at += len(page)
        progress(len(page))
    forms = list(dict.fromkeys([*keys.sealer.forms(plain), number]))
    await _erase_states(redis, keys, forms, erased)
    erased.remembered = await redis.delete(*(key(form) for form in forms for key in (keys.replies, keys.rcs)))
    erased.opt_out = await _erase_opt_out(redis, keys, plain)
    about = digests_of(plain, keys.sealer)
    async for page in matching(redis, keys, EventFilter(about=about)):
        erased.still_found += page
    return erased


async def erase_ended(redis: "Redis", keys: Keys) -> int:
    """Erase some of the events that were open when they were to be, and have ended; answers how many."""
    ids: list[bytes] = await redis.srandmember(keys.erasing, PAGE)  # type: ignore[misc]
    answers = await run(redis, ERASE, keys.namespace, *ids) if ids else []
    return sum(answer[0] == b"erased" for answer in answers)


async def forget_old_writes(redis: "Redis") -> bool:
    """Have the server write its append-only file anew, which tells of what was erased; False where it will not."""
    try:
        await redis.execute_command("BGREWRITEAOF")  # type: ignore[no-untyped-call]
    except RedisError:
        return False
    return True


async def _pages(redis: "Redis", keys: Keys) -> AsyncIterator[list[str]]:
    """Yield the ids of all events, in no order, each once.

    A scan passes over nothing that is there all the time, whereas ranks shift while other events expire or are dropped.
    """
    seen: set[str] = set()
    cursor = 0
    while True:
        cursor, found = await redis.zscan(keys.events, cursor, count=PAGE)
        ids = [event_id for each, _ in found if (event_id := each.decode(errors="replace")) not in seen]
        seen.update(ids)
        for start in range(0, len(ids), PAGE):
            yield ids[start : start + PAGE]
        if cursor == 0:
            return


async def _may_name(redis: "Redis", keys: Keys, event_id: str, mention: NumberMatcher, erased: Erased) -> bool:
    try:
        return await _names(redis, keys, event_id, mention, erased)
    except RedisError:
        raise
    except Exception as error:  # noqa: BLE001 - a record of any kind must not keep the others from being erased
        erased.failed[event_id] = describe_error(error)
        return False


async def _names(redis: "Redis", keys: Keys, event_id: str, mention: NumberMatcher, erased: Erased) -> bool:
    """Whether an event, or what was sent for it, names the number."""
    record = await find(redis, keys, event_id)
    if record is None:
        return False
    effects = await effects_of(redis, keys, event_id)
    contents = [record.body, *(each.body for each in effects), *(each.answer.body for each in effects if each.answer)]
    if any(mention.within(content) for content in contents):
        return True
    erased.unread += record.sealed_under is not None or "body" in record.damaged or any(each.unread for each in effects)
    return False


async def _erase_events(redis: "Redis", keys: Keys, ids: Sequence[str], erased: Erased) -> None:
    answers = await run(redis, ERASE, keys.namespace, *ids) if ids else []
    for event_id, (verdict, *counts) in zip(ids, answers, strict=True):
        if verdict == b"open":
            erased.still_open.append(event_id)
        elif verdict == b"erased":
            erased.bodies += int(counts[0])
            erased.effects += counts[1]


async def _erase_states(redis: "Redis", keys: Keys, forms: Sequence[str], erased: Erased) -> None:
    """Take a recipient out of the states of all messages."""
    fields = [f"{name}:{form}" for name in _OF_A_RECIPIENT for form in forms]
    cursor = 0
    while True:
        cursor, found = await redis.scan(cursor, match=keys.message("*"), count=SCAN)
        async with redis.pipeline(transaction=False) as pipeline:
            for key in found:
                pipeline.hdel(key, *fields)
            erased.states += sum(1 for removed in await pipeline.execute() if removed)
        if cursor == 0:
            return


async def _erase_opt_out(redis: "Redis", keys: Keys, number: str) -> str:
    if not keys.sealer.active:
        return "plain" if await redis.hexists(keys.optouts, number) else ""  # type: ignore[misc]
    forms = orjson.dumps(keys.sealer.forms(number))
    return "hidden" if await run(redis, ERASE_OPT_OUT, keys.namespace, forms) else ""
