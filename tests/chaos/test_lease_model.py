"""The model of lease and ledger keeps the guarantees in every state, and notices each rule that is broken."""

import random
import sys
import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import cast

import pytest
from redis.asyncio import Redis

from service.security.encryption import PLAIN
from service.store.connection import connect
from service.store.store import Store
from tests.chaos.exploring import explore, walk
from tests.chaos.lease_model import Model
from tests.chaos.lease_state import Bounds, Rules, State, Step
from tests.chaos.replaying import Leased, Replay
from tests.store.half_way import FaultyRedis, World, all_scripts

SMALL = Bounds(claims=2)
UNKEYED = replace(SMALL, keyed=False)
POISON = Bounds(ticks=9, crashes=9, claims=9, poison=True, stops=False)
DRAINED = replace(SMALL, drains=1)
DRAINED_POISON = replace(POISON, ticks=7, drains=1)
BROKEN = {
    "finish_asks_lease": (Rules(finish_asks_lease=False), SMALL, "G3"),
    "resend_keeps_key": (Rules(resend_keeps_key=False), SMALL, "G5"),
    "unkeyed_is_resent": (Rules(unkeyed_is_resent=True), UNKEYED, "G5"),
    "intent_comes_first": (Rules(intent_comes_first=False), UNKEYED, "G5"),
    "claim_moves_in_queue": (Rules(claim_moves_in_queue=False), SMALL, "G6"),
    "begin_asks_consent": (Rules(begin_asks_consent=False), SMALL, "G9"),
    "lapses_count": (Rules(lapses_count=False), POISON, "G14"),
    "announced_is_spared": (Rules(announced_is_spared=False), DRAINED_POISON, "G14"),
}

REPLAYED = {
    "keyed": Bounds(ticks=8, crashes=4, claims=8),
    "unkeyed, drained": Bounds(ticks=8, crashes=4, claims=8, keyed=False, drains=2),
    "poison, drained": Bounds(ticks=12, crashes=9, claims=12, poison=True, stops=False, drains=2),
}
ALWAYS_SEEN = {"accept", "tick", "claim", "crash", "a lapse counted"}


@pytest.mark.parametrize(
    "bounds",
    [
        SMALL,
        UNKEYED,
        POISON,
        DRAINED_POISON,
        pytest.param(DRAINED, marks=pytest.mark.soak),
        pytest.param(Bounds(ticks=4), marks=[pytest.mark.soak, pytest.mark.timeout(900)]),
        pytest.param(Bounds(ticks=4, keyed=False, claims=4), marks=[pytest.mark.soak, pytest.mark.timeout(900)]),
    ],
    ids=["keyed", "unkeyed", "poison", "poison, drained", "drained", "keyed, longer", "unkeyed, longer"],
)
def test_every_state_keeps_the_guarantees_and_comes_to_an_end(bounds: Bounds) -> None:
    explored = explore(Model(bounds=bounds))
    sys.stderr.write(f"\n{explored.states} states\n")
    assert explored.states > 500
    assert (explored.broken, explored.trace, explored.stuck[:1]) == (None, (), ())


@pytest.mark.parametrize("rule", BROKEN)
def test_a_broken_rule_is_noticed(rule: str) -> None:
    rules, bounds, guarantee = BROKEN[rule]
    assert explore(Model(rules, bounds)).broken == guarantee


async def all_that_is_stored(replay: Replay, state: State) -> tuple[object, object]:
    """Return what the model says is stored, and what is."""
    record, entry = await replay.record(), await replay.entry()
    assert record is not None
    known = (entry.state, entry.version, entry.unconfirmed) if entry else ("", 0, 0)
    said = (state.event, state.entry, state.version, state.unconfirmed, Leased.said_by(state))
    return said, (record.state, *known, await replay.lease())


@pytest.mark.anyio
@pytest.mark.parametrize("bounds", REPLAYED.values(), ids=REPLAYED)
@pytest.mark.parametrize(
    ("walks", "seed"),
    [
        (12, 21),
        *(pytest.param(100, seed, marks=[pytest.mark.soak, pytest.mark.timeout(1800)]) for seed in (22, 23, 24)),
    ],
)
async def test_the_real_scripts_answer_as_the_model_does(redis_url: str, bounds: Bounds, walks: int, seed: int) -> None:
    choice, names = random.Random(seed), Counter[str]()
    async with connect(redis_url, timeout=10, connections=2) as redis:
        for _ in range(walks):
            names.update(await taken(redis, walk(Model(bounds=bounds), choice, 60)))
    sys.stderr.write(f"\n{walks} walks: {dict(names)}\n")
    assert names.keys() >= ALWAYS_SEEN


RETURN = [("accept", -1), ("claim", 0), ("tick", -1), ("tick", -1), ("claim", 1), ("tick", -1), ("renew", 0)]


@pytest.mark.anyio
async def test_a_worker_that_returns_takes_its_lapse_back_on_the_real_scripts_too(redis_url: str) -> None:
    state, way = State(), list[tuple[Step, State]]()
    for wanted in RETURN:
        step, state = next(each for each in Model().steps(state) if (each[0].name, each[0].worker) == wanted)
        way.append((step, state))
    async with connect(redis_url, timeout=10, connections=2) as redis:
        assert {"a lapse counted", "lapses taken back"} <= set(await taken(redis, way))


async def taken(redis: "Redis", way: list[tuple[Step, State]]) -> list[str]:
    """Take a way with the real scripts, compare answers and what is stored, and return what happened."""
    faulty = cast("Redis", FaultyRedis(redis, all_scripts()))
    replay = Replay(World(Store(faulty, f"t{uuid.uuid4().hex[:12]}", PLAIN)))
    before, names = State(), list[str]()
    for step, state in way:
        assert (step, await replay.take(step, before)) == (step, step.answer)
        said, stored = await all_that_is_stored(replay, state)
        assert (step, said) == (step, stored)
        names += [step.name, *lapse_changes(before, state)]
        before = state
    return names


def lapse_changes(before: State, after: State) -> Iterator[str]:
    """Yield what became of lapses at a step."""
    if after.lapses > before.lapses:
        yield "a lapse counted"
    if before.lapses and not after.lapses and after.event == "open":
        yield "lapses taken back"
    if after.event == "dead" != before.event:
        yield "a death"
