"""Long series of a deployment whose handlers run in order, drawn by a fixed number: two workers, two numbers."""

from collections.abc import Sequence
from typing import Any, Literal

from service.security.encryption import PLAIN
from service.store.inbox import accept, order
from service.store.inbox.handler_records import HandlerRecord, HandlerState
from service.store.inbox.leases import ClaimRequest, HandlerResults, HeldLease, Lease, claim, finish
from tests.store.drawn_scenarios import Drawing, seen, series
from tests.store.half_way import Scenario, T, World
from tests.store.half_way_scenarios import (
    NUMBERED,
    Step,
    accepting,
    calling,
    nothing,
    putting,
    renewing,
    then,
    without_clock,
)
from tests.store.script_calls import HOUR, running

MANY, FEW = tuple("abcdefghijklmnopqrstuvwxyz"), tuple("abcdef")
NUMBERS = ("+13125550142", "+13125550143")
DIGESTS = tuple(order.key_digests(number, PLAIN)[0] for number in NUMBERS)
HANDLERS = ("greet", "late")
LANES = " ".join(f"lane:{handler}:{digest}" for handler in HANDLERS for digest in DIGESTS)
TYPES = {"greet": ("message.*",), "late": ("message.received", "test.*")}
PACE = 4000
LEASE = 15.0


def ids_of(drawing: Drawing) -> Sequence[str]:
    """Return the ids of a series: many, or few that come again and again."""
    return FEW if drawing.number % 2 else MANY


def number_of(identity: str) -> int:
    """Return which of the numbers an event is from."""
    return ord(identity) % 2


def an_event_comes(drawing: Drawing) -> Step:
    arrivals = []
    for _ in range(1 + drawing.below(3)):
        identity = drawing.one_of(*ids_of(drawing))
        body = NUMBERED[0].body.replace(NUMBERS[0].encode(), NUMBERS[number_of(identity)].encode())
        kind = drawing.one_of("message.received", "message.received", "message.sent", "test.x")
        arrivals.append(NUMBERED[0]._replace(identity=identity, type=kind, body=body))
    return seen(accepting(*arrivals), zrange="queue unkeyed")


def a_worker_claims(drawing: Drawing) -> Step:
    names = drawing.one_of(HANDLERS, HANDLERS, ("greet",), ("late",))
    in_order = drawing.one_of(names, names, names, ("greet",), ())
    request = ClaimRequest(
        drawing.one_of("w", "w", "v"),
        1 + drawing.below(20),
        LEASE,
        1 + drawing.below(4),
        {name: TYPES[name] for name in names},
        drawing.below(4) == 0,
        drawing.one_of(None, None, None, *ids_of(drawing)),
        {name: TYPES[name] for name in in_order},
    )

    async def act(world: World) -> Any:
        answer = await claim(world.store, request)
        return without_clock(answer.leases), answer.next_in, answer.poison_suspects

    return seen(act, hgetall="turns", zrange=f"queue {LANES}")


async def lease_of(world: World, identity: str) -> tuple[str, Sequence[str]]:
    """Return the token of an event's lease and the names of its handlers, where there are any."""
    token, names = await world.redis.hmget(world.keys.event(identity), "lease", "handlers")
    listed = [name for name in HANDLERS if f'"{name}"' in (names or b"").decode()]
    return (token or b"w:99").decode(), listed


async def some_of(world: World, ids: Sequence[str], share: int) -> Sequence[str]:
    """Return some of few events, or of many those that are held: all of them (0), or every second one."""
    if ids is FEW:
        return ids[share : share + 2 + share]
    held = await world.redis.sunion(f"{world.keys.namespace}:held:w", f"{world.keys.namespace}:held:v")
    ids = sorted(each.decode() for each in held)
    return ids[share - 1 :: 2] if share else ids


def places_are_asked_for(drawing: Drawing) -> Step:
    only_places, patient, keyless = drawing.below(4) == 0, drawing.below(2) == 0, drawing.below(7) == 0
    ids, share = ids_of(drawing), drawing.below(3)
    further: Sequence[str] = drawing.one_of((), (), ("0123456789abcdef",), (DIGESTS[0],))

    async def act(world: World) -> Any:
        placings = []
        for each in await some_of(world, ids, share):
            token, names = await lease_of(world, each)
            digests = ["-"] if keyless else [DIGESTS[number_of(each)], *further]
            placings.append(order.Placing(each, dict.fromkeys(names, digests), "" if only_places else token))
        turns, records = await order.take_turns(world.store, placings, patient=patient)
        return turns, [each.id for each in records]

    return seen(act, hgetall="turns", zrange=f"unkeyed {LANES}")


def ended_as(state: HandlerState, due: int, *, has_turn: bool) -> HandlerRecord:
    """Return what a handler leaves that has ended, or waits until it is due (ms)."""
    if state == "waiting":
        return HandlerRecord(state, due=due, ran=1, has_turn=int(has_turn))
    return HandlerRecord(state, reason="r", error="e") if state == "dead" else HandlerRecord(state)


def handlers_end(drawing: Drawing) -> Step:
    ids, share = ids_of(drawing), drawing.below(3)
    drawn: list[HandlerState] = [drawing.one_of("done", "done", "done", "dead", "waiting") for _ in HANDLERS]
    release, due, has_turn = drawing.below(4) > 0, T + drawing.below(90_000), drawing.below(2) == 0

    async def act(world: World) -> Any:
        results = []
        for each in await some_of(world, ids, share):
            token, names = await lease_of(world, each)
            record = await accept.find(world.store, each)
            if record is not None and names:
                ended = {
                    name: ended_as(state, due, has_turn=has_turn)
                    for name, state in zip(HANDLERS, drawn, strict=True)
                    if name in names
                }
                results.append(
                    HandlerResults.of(Lease(record, token, alone=False, claimed_at=T), ended, release=release)
                )
        return await finish(world.store, results)

    return seen(act, hgetall="turns", zrange=f"queue {LANES} waiting_turn:greet waiting_turn:late")


def leases_go_on(drawing: Drawing) -> Step:
    ids = ids_of(drawing)
    share, answered, is_overdue = drawing.below(3), drawing.below(20), drawing.below(4) == 0

    async def act(world: World) -> Any:
        action: Literal["extend", "overdue"] = "overdue" if is_overdue else "extend"
        held = [HeldLease(each, (await lease_of(world, each))[0], action) for each in await some_of(world, ids, share)]
        return await renewing(*held, answered=answered)(world)

    return seen(act, zrange="queue", hgetall="turns")


def people_act(drawing: Drawing) -> Step:
    every = ids_of(drawing)
    first = drawing.below(len(every) - 2)
    ids = drawing.one_of(every, every[first : first + 1], every[first : first + 6])
    act = drawing.one_of(
        running("dead_retry", "ann", "", "{}", drawing.one_of("greet", ""), "", "", "", *ids),
        running("replay", "ann", drawing.one_of("", "greet", "late"), drawing.below(2), 1, 0, "", *ids),
        running("dead_drop", "ann", "greet", "", HOUR, "", ids[0]),
        running("cancel", drawing.one_of(*every), HOUR),
        running("repair", *ids),
        running("audit_events", *every),
        running("erase", drawing.one_of(*every)),
        calling(order.register, {"late": TYPES["late"]}, by_number=drawing.one_of(["late"], [])),
        putting("hdel", f"event:{ids[0]}", "sequence"),
    )
    return seen(act, zrange=f"queue unkeyed {LANES}", hgetall="turns")


BY_NUMBER = calling(order.register, TYPES, by_number=HANDLERS)
BY_THEIR_OWN = calling(order.register, TYPES)
ONE_BY_NUMBER = calling(order.register, {"greet": TYPES["greet"]}, by_number=["greet"])
KINDS = (
    an_event_comes,
    a_worker_claims,
    a_worker_claims,
    places_are_asked_for,
    handlers_end,
    handlers_end,
    leases_go_on,
    people_act,
)
REGISTERING = (BY_NUMBER, BY_THEIR_OWN, ONE_BY_NUMBER, then(BY_NUMBER, BY_THEIR_OWN), nothing)
DRAWN_ORDER = tuple(
    Scenario(f"deployment in order, series {number}", REGISTERING[number % 5], series(number, 80, *KINDS, pace=PACE))
    for number in (1, 2, 3, 4, 5, 6, 9)
)
