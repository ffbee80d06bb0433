"""The model of lease and ledger keeps the guarantees in every state, and notices each rule that is broken."""

import random
import sys
import uuid
from collections import Counter
from dataclasses import replace
from typing import cast

import pytest
from redis.asyncio import Redis

from service.security.encryption import PLAIN
from service.store.connection import connect
from service.store.effects.ledger import Entry
from service.store.inbox.records import EventRecord
from service.store.store import Store
from tests.chaos.exploring import explore, walk
from tests.chaos.lease_model import Bounds, Model, Rules, State
from tests.chaos.replaying import Replay
from tests.store.half_way import FaultyRedis, World
from tests.store.test_half_way import all_scripts

SMALL = Bounds(claims=2)
UNKEYED = replace(SMALL, keyed=False)
POISON = Bounds(ticks=9, crashes=9, claims=9, poison=True, stops=False)
BROKEN = {
    "finish_asks_lease": (Rules(finish_asks_lease=False), SMALL, "G3"),
    "resend_keeps_key": (Rules(resend_keeps_key=False), SMALL, "G5"),
    "unkeyed_is_resent": (Rules(unkeyed_is_resent=True), UNKEYED, "G5"),
    "intent_comes_first": (Rules(intent_comes_first=False), UNKEYED, "G5"),
    "claim_moves_in_queue": (Rules(claim_moves_in_queue=False), SMALL, "G6"),
    "begin_asks_consent": (Rules(begin_asks_consent=False), SMALL, "G9"),
    "lapses_count": (Rules(lapses_count=False), POISON, "G14"),
}


@pytest.mark.parametrize(
    "bounds",
    [
        SMALL,
        UNKEYED,
        POISON,
        pytest.param(Bounds(ticks=4), marks=[pytest.mark.soak, pytest.mark.timeout(900)]),
        pytest.param(Bounds(ticks=4, keyed=False, claims=4), marks=[pytest.mark.soak, pytest.mark.timeout(900)]),
    ],
    ids=["keyed", "unkeyed", "poison", "keyed, longer", "unkeyed, longer"],
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


def all_that_is_stored(state: State, record: EventRecord, entry: Entry | None) -> tuple[object, object]:
    """Return what the model says is stored, and what is."""
    known = (entry.state, entry.version, entry.unconfirmed) if entry else ("", 0, 0)
    return (state.event, state.entry, state.version, state.unconfirmed), (record.state, *known)


@pytest.mark.anyio
@pytest.mark.parametrize("bounds", [Bounds(ticks=6, crashes=4, claims=6), POISON], ids=["keyed", "poison"])
@pytest.mark.parametrize("walks", [25, pytest.param(2000, marks=[pytest.mark.soak, pytest.mark.timeout(900)])])
async def test_the_real_scripts_answer_as_the_model_does(redis_url: str, bounds: Bounds, walks: int) -> None:
    choice, names = random.Random(21), Counter[str]()
    async with connect(redis_url, timeout=10, connections=2) as redis:
        for _ in range(walks):
            faulty = cast("Redis", FaultyRedis(redis, all_scripts()))
            replay = Replay(World(Store(faulty, f"t{uuid.uuid4().hex[:12]}", PLAIN)))
            before = State()
            for step, state in walk(Model(bounds=bounds), choice, 40):
                assert (step, await replay.take(step, before)) == (step, step.answer)
                record = await replay.record()
                assert record is not None
                said, stored = all_that_is_stored(state, record, await replay.entry())
                assert (step, said) == (step, stored)
                before = state
                names[step.name] += 1
    sys.stderr.write(f"\n{walks} walks, {names.total()} steps: {dict(names)}\n")
