"""A store with very many events, written straight into Redis: to accept a million would take minutes."""

import hashlib
import time
from collections import defaultdict
from typing import Any

import orjson

from service.security.numbers import DIGEST_BYTES
from service.store.inbox.accept import type_digest
from service.store.store import Store

DAYS = 6
TYPES = ("message.received", "message.finalized", "message.sent", "link.clicked", "shop.order_paid")
CAUSES = ("request", "template", "too_long")
BATCH = 2000


def number_of(place: int) -> str:
    return f"+1312{place % 5000:07d}"


def _cause(reason: str) -> str:
    return hashlib.sha1(f"ship\n{reason}".encode(), usedforsecurity=False).hexdigest()[:16]


async def write_events(store: Store, number: int) -> None:
    """Write so many events of the last days: 89 % done, 10 % ignored, 1 % dead for three causes."""
    keys, now = store.keys, int(time.time() * 1000)
    step = DAYS * 86_400_000 / number
    minutes: dict[int, list[bytes]] = defaultdict(list)
    for start in range(0, number, BATCH):
        async with store.redis.pipeline(transaction=False) as pipe:
            indexes: dict[str, dict[str, int]] = defaultdict(dict)
            for place in range(start, min(start + BATCH, number)):
                at = now - int(place * step)
                _event(store, pipe, indexes, minutes, place, at)
            for key, members in indexes.items():
                pipe.zadd(key, members)
            await pipe.execute()
    for first in range(0, len(minutes), 500):
        async with store.redis.pipeline(transaction=False) as pipe:
            for minute, digests in list(minutes.items())[first : first + 500]:
                pipe.set(f"{store.namespace}:minute:{minute}", b"".join(digests))
            await pipe.execute()
    dead, ignored = len(range(0, number, 100)), len(range(1, number, 10))
    counts = {"accepted": number, "done": number - dead - ignored, "ignored": ignored, "dead": dead, "open": 0}
    await store.redis.hset(keys.counts, mapping=counts)  # type: ignore[misc]
    causes = {
        _cause(each): orjson.dumps({"handler": "ship", "reason": each, "first": now - 86_400_000}) for each in CAUSES
    }
    await store.redis.hset(f"{store.namespace}:causes", mapping=causes)  # type: ignore[misc]


def event_id(place: int) -> str:
    return f"00000000-0000-4000-8000-{place:012d}"


def _event(
    store: Store, pipe: Any, indexes: dict[str, dict[str, int]], minutes: dict[int, list[bytes]], place: int, at: int
) -> None:
    keys, identity, kind = store.keys, event_id(place), TYPES[place % len(TYPES)]
    state = "dead" if place % 100 == 0 else "ignored" if place % 10 == 1 else "done"
    digits = number_of(place).removeprefix("+").encode()
    digest = store.encryption.brief(digits, DIGEST_BYTES)
    fields = {"state": state, "type": kind, "arrived_by": "webhook", "received_at": at, "deliveries": 1}
    fields |= {"numbers": digest, "ended_at": at + 50}
    indexes[keys.events][identity] = at
    minutes[at // 60_000] += [type_digest(kind), digest]
    if state == "dead":
        reason = CAUSES[place // 100 % 3]
        record = {"state": "dead", "attempts": 1, "reason": reason, "error": "refused", "ended_at": at + 50, "ran": 1}
        fields |= {"handlers": '["ship"]', "h:ship": orjson.dumps(record), "causes": _cause(reason)}
        fields["body"] = orjson.dumps({"data": {"id": identity, "event_type": kind, "payload": {"id": f"m{place}"}}})
        indexes[keys.dead][identity] = indexes[keys.died(_cause(reason))][identity] = at + 50
    else:
        indexes[keys.ended][identity] = at + 50
        fields["pruned"] = '{"ship":[1,""]}' if state == "done" else "{}"
    pipe.hset(keys.event(identity), mapping=fields)
