"""The model of lease and ledger keeps the guarantees in every state, and notices each rule that is broken."""

import sys
from dataclasses import replace

import pytest

from tests.chaos.exploring import explore
from tests.chaos.lease_model import Bounds, Model, Rules

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
