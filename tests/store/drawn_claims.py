"""Long series of claims, ends and changes by people, drawn by a fixed number."""

from collections.abc import Sequence
from typing import Any

from service.store.inbox import accept, order
from service.store.inbox.handler_records import HandlerRecord, HandlerState
from service.store.inbox.leases import HandlerResults, HeldLease, Lease, finish
from tests.store.drawn_scenarios import Drawing, Draws, seen, series
from tests.store.half_way import Scenario, T, World
from tests.store.half_way_scenarios import (
    NUMBERED,
    Step,
    accepting,
    calling,
    claiming,
    nothing,
    putting,
    renewing,
    then,
)
from tests.store.script_calls import HOUR, running

ABOUT: tuple[dict[str, str], ...] = ({}, {"handler": "greet", "place": "p"})
IDS = ("a", "b", "c", "d")
PLACES: tuple[dict[str, Sequence[str]], ...] = (
    {"greet": ("ab",)},
    {"greet": ("ab", "cd")},
    {"greet": ("cd",), "late": ("-",)},
)
SECONDS = 2500


def an_event_comes(drawing: Drawing) -> Step:
    numbered = NUMBERED[0]._replace(
        identity=drawing.one_of(*IDS), type=drawing.one_of("message.received", "message.received", "test.x")
    )
    if drawing.below(4) == 0:
        return accepting(numbered._replace(delay=drawing.below(5) * 1000, arrived_by="schedule"))
    return accepting(numbered, numbered._replace(identity=drawing.one_of(*IDS)))


def events_are_claimed(*, in_order: bool) -> Draws:
    def draw(drawing: Drawing) -> Step:
        claim = claiming(
            *drawing.one_of(("greet", "late"), ("greet",)),
            number=1 + drawing.below(9),
            worker=drawing.one_of("w", "w", "v"),
            alone=drawing.below(3) == 0,
            limit=1 + drawing.below(3),
            in_order=in_order and drawing.below(4) > 0,
        )
        return seen(claim, zrange="queue", hgetall="turns backlog:greet", smembers="held:w held:v")

    return draw


def handlers_end(drawing: Drawing) -> Step:
    state: HandlerState = drawing.one_of("done", "done", "dead", "waiting", "parked")
    more: dict[str, Any] = {"done": {}, "dead": {"reason": drawing.one_of("x", "y"), "error": "e"}}.get(state, {})
    if state in {"waiting", "parked"}:
        more = {"due": T + drawing.below(9) * SECONDS, "ran": 1}
    if state == "parked":
        more["blocked_by"] = drawing.one_of("outage", "paused:greet")
    ids, release, stale = drawing.one_of(("a",), ("b", "a", "a"), IDS), drawing.below(4) > 0, drawing.below(9) == 0
    names = drawing.one_of(("greet",), ("greet",), ("greet", "late"), ())

    async def act(world: World) -> Any:
        results = []
        for each in ids:
            token = await world.redis.hget(world.keys.event(each), "lease") or b"w:1"
            record = await accept.find(world.store, each)
            if record is not None:
                lease = Lease(record, "w:0" if stale else token.decode(), alone=False, claimed_at=T)
                ended = {name: HandlerRecord(state, **more) for name in names}
                results.append(HandlerResults.of(lease, ended, release=release))
        return await finish(world.store, results)

    return seen(act, zrange="queue dead ended", hgetall="turns", zcard="parked:outage backlog:greet")


def leases_are_renewed(drawing: Drawing) -> Step:
    held = [
        HeldLease(
            drawing.one_of(*IDS),
            f"w:{1 + drawing.below(9)}",
            drawing.one_of("extend", "extend", "overdue"),
            drawing.one_of(*ABOUT),
        )
        for _ in range(drawing.below(4))
    ]
    return seen(renewing(*held, answered=drawing.below(10)), zrange="queue", smembers="held:w", hgetall="event:a")


def people_act(drawing: Drawing) -> Step:
    ids = drawing.one_of(IDS, ("a",), ("b", "c"))
    before = drawing.one_of("", "", T + drawing.below(9) * SECONDS)
    act = drawing.one_of(
        running("dead_retry", "ann", "", "{}", drawing.one_of("greet", ""), drawing.one_of("x", ""), "", before, *ids),
        running(
            "replay", "ann", drawing.one_of("", "greet", "new"), drawing.below(2), 1, drawing.below(2), before, *ids
        ),
        running("dead_drop", "ann", "greet", drawing.one_of("x", ""), HOUR, before, ids[0]),
        running("cancel", drawing.one_of(*IDS), HOUR),
        running("pause", "paused:greet", "greet", "d", "a"),
        running("resume", "paused:greet", "greet", 2),
        putting("sadd", "blocks", "outage"),
        running("blocks_lift", "outage", 2),
    )
    return seen(act, zrange="queue dead", hgetall="causes")


async def out_of_the_queue(world: World) -> Any:
    """Take the place of an event in the queue away."""
    return await world.redis.zrem(world.keys.queue, world.keys.job_id("a"))


def the_inbox_is_kept(drawing: Drawing) -> Step:
    act = drawing.one_of(
        running("sweep", drawing.below(2), 3),
        running("repair", *IDS),
        running("audit_events", *IDS),
        running("totals"),
        running("queue"),
        running("expire", 9 * SECONDS, 5 * SECONDS, 2),
        running("prune_bodies", 5 * SECONDS, 2),
        running("blocks_release", 2, 9),
        out_of_the_queue,
        putting("hset", "block:outage", mapping={"probe_at": T, "detail": "d", "advice": "a"}),
        running("summaries", *IDS),
        running("erase", drawing.one_of(*IDS)),
    )
    return seen(act, zrange="queue events dead ended")


def places_are_given(drawing: Drawing) -> Step:
    digests, with_token, ids = drawing.one_of(*PLACES), drawing.below(4) > 0, IDS[: 1 + drawing.below(4)]

    async def act(world: World) -> Any:
        tokens = [(await world.redis.hget(world.keys.event(each), "lease") or b"").decode() for each in ids]
        placed = [
            order.Placing(each, digests, token if with_token else "") for each, token in zip(ids, tokens, strict=True)
        ]
        return await order.take_turns(world.store, placed)

    return seen(act, hgetall="turns", zrange="unkeyed queue")


UNORDERED = (an_event_comes, events_are_claimed(in_order=False), handlers_end, handlers_end)
KEPT = (leases_are_renewed, people_act, the_inbox_is_kept)
ORDERED = (an_event_comes, events_are_claimed(in_order=True), places_are_given, handlers_end, handlers_end, people_act)
NUMBERING = calling(order.register, {"greet": ("message.*",)}, by_number=["greet"])
ASKING = calling(order.register, {"greet": ("message.*",)})
DRAWN_CLAIMS = (
    *(
        Scenario(f"claims, series {number}", nothing, series(number, 50, *UNORDERED, *KEPT, pace=SECONDS))
        for number in range(5)
    ),
    *(
        Scenario(f"order, series {number}", registering, series(number, 50, *ORDERED, pace=SECONDS))
        for number, registering in enumerate((NUMBERING, ASKING, NUMBERING, ASKING, then(NUMBERING, ASKING)))
    ),
)
