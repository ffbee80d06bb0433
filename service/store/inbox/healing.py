"""The memory of healing: how far it has come, what it must not raise again, and whom it asks about.

Healing finds events at Telnyx that did not arrive here, or that this store has lost.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Literal

from service.store.connection import server_time
from service.store.inbox.accept import CONTENT_IS_REMEMBERED, NewEvent, pack_event
from service.store.inbox.search import EventFilter, matching
from service.store.store import Store

Verdict = Literal["healed", "known", "dropped", "forgotten"]
"""The result for one event. `forgotten`: events of its time have expired here."""

TURN_LOCK = 15.0
"""Seconds after which another process may heal, where the one that did so is gone."""


@dataclass(frozen=True, slots=True)
class HealState:
    """The progress of healing, in seconds since 1970.

    Nothing from before `since`, the first start, is raised. Everything until `until` was looked at. The latest turn
    began at `turn_at`, and `failed` of its events could not be healed. `healed` counts all that were.
    """

    since: float
    until: float
    turn_at: float | None = None
    messages_at: float | None = None
    healed: int = 0
    failed: int = 0


@dataclass(frozen=True, slots=True)
class MissedEvent:
    """An event with the times (ms) of Telnyx's first and last attempt to deliver it."""

    event: NewEvent
    first_at: int
    last_at: int

    def is_near(self, moment: int) -> bool:
        """Return whether a moment (ms) lies within an hour of the attempts. Equal content is the same event then."""
        return self.first_at - CONTENT_IS_REMEMBERED <= moment <= self.last_at + CONTENT_IS_REMEMBERED


async def begin(store: Store, at: float | None = None) -> HealState:
    """Return the progress. At the first start healing begins now, or `at` a time (seconds since 1970)."""
    if (known := await state_of(store)) is not None:
        return known
    # By the clock of Redis. A machine's clock may be ahead, and what was missed until then would stay missed.
    since = await server_time(store.redis) if at is None else int(at * 1000)
    await store.redis.hsetnx(store.keys.heal, "since", str(since))  # type: ignore[misc]
    state = await state_of(store)
    assert state is not None  # noqa: S101 - it was written above
    return state


async def state_of(store: Store) -> HealState | None:
    """Return the progress, or None before the first start."""
    stored: dict[bytes, bytes] = await store.redis.hgetall(store.keys.heal)  # type: ignore[misc]
    names = [each.name for each in fields(HealState)]
    found = {name: int(stored[name.encode()]) for name in names if name.encode() in stored}
    if "since" not in found:
        return None
    seconds = {name: found[name] / 1000 for name in ("since", "until", "turn_at", "messages_at") if name in found}
    state = HealState(seconds["since"], seconds.get("until", seconds["since"]))
    times = {name: seconds.get(name) for name in ("turn_at", "messages_at")}
    return replace(state, **times, healed=found.get("healed", 0), failed=found.get("failed", 0))  # type: ignore[arg-type]


async def note_progress(store: Store, until: float) -> None:
    """Remember that everything until then was looked at."""
    await store.redis.hset(store.keys.heal, "until", str(int(until * 1000)))  # type: ignore[misc]


async def note_turn(store: Store, at: float, *, failed: int) -> None:
    """Remember a turn that began `at`, and how many events it could not heal."""
    values = {"turn_at": str(int(at * 1000)), "failed": str(failed)}
    await store.redis.hset(store.keys.heal, mapping=values)  # type: ignore[misc]


async def note_messages_read(store: Store, at: float) -> None:
    """Remember that the messages under way were asked for."""
    await store.redis.hset(store.keys.heal, "messages_at", str(int(at * 1000)))  # type: ignore[misc]


async def take_turn(store: Store, holder: str) -> bool:
    """Return whether this holder may heal now. It has the turn for 15 s, and keeps it by asking again."""
    asked = {"px": int(TURN_LOCK * 1000), "get": True}
    had: bytes | None = await store.redis.set(store.keys.heal_turn, holder, nx=True, **asked)  # type: ignore[arg-type]
    if had == holder.encode():
        await store.redis.pexpire(store.keys.heal_turn, int(TURN_LOCK * 1000))
    return had is None or had == holder.encode()


async def end_turn(store: Store) -> None:
    """Let others heal."""
    await store.redis.delete(store.keys.heal_turn)


async def forgotten_until(store: Store) -> float:
    """Return the moment (seconds since 1970) before which events have expired here, 0 where none has."""
    return int(await store.redis.get(store.keys.forgotten_until) or 0) / 1000


async def are_known(store: Store, events: Sequence[MissedEvent]) -> list[bool]:
    """Return for each event whether it has a record here. One without an id of its own is known by its content."""
    async with store.redis.pipeline(transaction=False) as pipeline:
        for each in events:
            pipeline.hget(store.keys.event(each.event.identity), "type")
            pipeline.exists(store.keys.event(f"{each.event.identity}~{each.event.type}"))
        answers: list[Any] = await pipeline.execute()
    return [
        await _is_content_known(store, each) if each.event.remember else kind == each.event.type.encode() or bool(twin)
        for each, kind, twin in zip(events, answers[::2], answers[1::2], strict=True)
    ]


async def heal(
    store: Store, events: Sequence[MissedEvent], *, retention: float, act: bool = True
) -> list[tuple[Verdict, str]]:
    """Accept missed events, each once. Return what became of each, and the id of its record.

    Without `act` nothing is changed, and the answer says what would be. `retention` is seconds.

    Raises:
        redis.exceptions.RedisError: it is not known which are stored. Healing them again is harmless.
    """
    arrivals = [each.event.traced() if act else each.event for each in events]
    packed = (
        pack_event(arrival, store.encryption, attempts=(each.first_at, each.last_at))
        for arrival, each in zip(arrivals, events, strict=True)
    )
    answers = await store.run("heal", int(retention * 1000), int(act), *packed)
    told = [(verdict.decode(), event_id.decode()) for verdict, event_id in answers]
    if act and (healed := sum(1 for verdict, _ in told if verdict == "healed")):
        await store.redis.hincrby(store.keys.heal, "healed", healed)  # type: ignore[misc]
    return told


async def under_way(store: Store, ids: Sequence[str], *, lease: float) -> list[str]:
    """Return those of these events that run, or will within a `lease` (s). Those due later and parked ones do not."""
    if not ids:
        return []
    jobs = [store.keys.job_id(each) for each in ids]
    scores: list[float | None] = await store.redis.zmscore(store.keys.queue, jobs)
    # Read after the places in the queue: those of running events then lie no further ahead than a lease.
    soon = await server_time(store.redis) + int(lease * 1000)
    return [each for each, score in zip(ids, scores, strict=True) if score is not None and score <= soon]


async def has_worker(store: Store) -> bool:
    """Return whether a worker lives: one of them does the maintenance."""
    return bool(await store.redis.exists(store.keys.maintenance))


async def _is_content_known(store: Store, missed: MissedEvent) -> bool:
    """Return whether a record of this content lies within an hour of the attempts."""
    identity, earliest = missed.event.identity, missed.first_at - CONTENT_IS_REMEMBERED
    async for page in matching(store, EventFilter(type=missed.event.type, since=earliest)):
        ids = [each for each in page if each == identity or each.startswith(f"{identity}.")]
        if any(map(missed.is_near, await _content_times(store, ids))):
            return True
    return False


async def _content_times(store: Store, ids: Sequence[str]) -> list[int]:
    """Return when contents arrived (ms). A healed one counts from its first attempt, which its id names."""
    known = [each for each in ids if "." not in each]
    named = [int(each.rpartition(".")[2]) for each in ids if "." in each]
    scores: list[float | None] = await store.redis.zmscore(store.keys.events, known) if known else []
    return named + [int(each) for each in scores if each is not None]


async def messages_due(store: Store, now: float, *, limit: int) -> list[str]:
    """Return the ids of messages that have been under way for so long that Telnyx is to be asked."""
    found = await store.redis.zrangebyscore(store.keys.under_way, "-inf", int(now * 1000), start=0, num=limit)
    return [each.decode(errors="replace") for each in found]


async def ask_again(store: Store, message_id: str, at: float) -> None:
    """Let Telnyx be asked for a message at a later time (seconds since 1970)."""
    await store.redis.zadd(store.keys.under_way, {message_id: int(at * 1000)}, xx=True)


async def stop_asking(store: Store, message_id: str) -> None:
    """Ask for a message no longer."""
    await store.redis.zrem(store.keys.under_way, message_id)


async def is_message_known(store: Store, message_id: str) -> bool:
    """Return whether the state of a message is still kept. It may have been erased."""
    return bool(await store.redis.exists(store.keys.message(message_id)))
