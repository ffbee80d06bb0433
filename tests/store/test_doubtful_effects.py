"""An event whose request may have taken effect runs again only after a person's word."""

import pytest

from service.store.effects import ledger
from service.store.effects.ledger import Entry, StoredAnswer, effects_of
from service.store.inbox import dead_letters
from service.store.inbox.accept import NewEvent, accept
from service.store.inbox.handler_records import HandlerRecord
from service.store.inbox.leases import ClaimRequest, HandlerResults, claim, finish
from service.store.store import Store
from tests.stack import Stack


async def die_after_a_request(store: Store, outcome: ledger.EffectOutcome) -> None:
    """Let the event x die after a request with this outcome."""
    await accept(store, [NewEvent("x", "test.x", b"{}", "webhook")])
    [lease] = (await claim(store, ClaimRequest("w", 1, 60, 10, {"one": ["*"]}))).leases
    entry = Entry("effect", "x", "one", False, "POST", "/messages", "", "t", "", "d", "started", b"{}")
    assert await ledger.begin(store, lease, entry, "run", again=False, keep=60) == "begun"
    answer = StoredAnswer(500, "application/json", b"{}")
    await ledger.end(store, "effect", outcome, answer, sent_at=1, why="", note="n")
    dead = HandlerRecord("dead", attempts=1, reason="ambiguous")
    assert await finish(store, [HandlerResults.of(lease, {"one": dead}, release=True)]) == ["dead"]


def test_a_request_of_unknown_fate_asks_for_a_word(stack: Stack) -> None:
    async def steps(store: Store) -> list[str]:
        await die_after_a_request(store, "unknown")
        verdicts = [await dead_letters.retry(store, ["x"], by="ann")]
        [replayed] = await dead_letters.replay(store, ["x"], by="ann")
        verdicts += [[replayed.verdict], await dead_letters.retry(store, ["x"], by="ann", word="not_sent")]
        [entry] = await effects_of(store, "x")
        return [*(each for [each] in verdicts), entry.state]

    assert stack.ask(steps) == ["in_doubt", "in_doubt", "retried", "withdrawn"]


@pytest.mark.parametrize("outcome", ["withdrawn", "deferred", "refused"])
def test_a_request_that_did_not_happen_asks_for_none(stack: Stack, outcome: ledger.EffectOutcome) -> None:
    async def steps(store: Store) -> list[str]:
        await die_after_a_request(store, outcome)
        return list(await dead_letters.retry(store, ["x"], by="ann"))

    assert stack.ask(steps) == ["retried"]
