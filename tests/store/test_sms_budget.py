"""The budget of segments: taken with the intent, counted once per fallback, given back, and told of once an hour."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import TypeVar
from uuid import uuid4

import pytest

from service.security.encryption import PLAIN
from service.store.connection import connect
from service.store.effects import ledger
from service.store.effects.ledger import EffectOutcome, Entry, StoredAnswer
from service.store.effects.rate_limits import WINDOW, Room, room
from service.store.facts.message_states import InsteadOf, NotAllowed, SendConditions
from service.store.inbox import accept
from service.store.inbox.leases import ClaimRequest, claim
from service.store.store import Store
from tests.pending import pending

T = TypeVar("T")
ANN = "+13125550101"
OVER = NotAllowed("over_budget")


class Budget:
    """Effects of one leased event that each want segments."""

    def __init__(self, url: str) -> None:
        self.runner = asyncio.Runner()
        self.store = Store(connect(url, timeout=5, connections=2), f"t{uuid4().hex[:12]}", PLAIN)
        self.ask(lambda store: accept.accept(store, [accept.NewEvent("e", "test.one", b"{}", "webhook")]))
        wanted = ClaimRequest("w", 1, lease=60, limit=1, routes={"one": ["test.one"]})
        [self.lease] = self.ask(lambda store: claim(store, wanted)).leases

    def ask(self, work: "Callable[[Store], Awaitable[T]]") -> T:
        async def working() -> T:
            return await work(self.store)

        return self.runner.run(working())

    def begin(self, name: str, *, segments: int, limit: int, version: int = 0, again: bool = False) -> object:
        entry = Entry(name, "e", "one", True, "POST", "/messages", "", "t", "", "d", "started", b"{}", version=version)
        message = InsteadOf(f"m-{name}", None, segments, limit, keep=60)
        conditions = SendConditions((ANN,), message)
        return self.ask(
            lambda store: ledger.begin(store, self.lease, entry, "run", again=again, keep=60, conditions=conditions)
        )

    def end(self, name: str, outcome: EffectOutcome) -> None:
        note = uuid4().hex
        self.ask(lambda store: ledger.end(store, name, outcome, StoredAnswer(0), sent_at=1, why="", note=note))

    def room(self, name: str, *, segments: int, limit: int) -> Room:
        return self.ask(lambda store: room(store, name, segments=segments, limit=limit))

    def grow_older(self, name: str) -> None:
        """Let a reservation be one of an hour ago."""
        self.ask(lambda store: store.redis.zincrby(f"{store.namespace}:sms_budget", -WINDOW * 1000, name))

    def left(self) -> list[int]:
        """Milliseconds for which each key of the budget is still kept."""

        async def found(store: Store) -> list[int]:
            return [
                await store.redis.pttl(key) async for key in store.redis.scan_iter(f"{store.namespace}:sms_budget*")
            ]

        return self.ask(found)

    def sum(self) -> int:
        async def read(store: Store) -> int:
            return int(await pending(store.redis.hget(f"{store.namespace}:sms_budget:segments", "sum")) or 0)

        return self.ask(read)


@pytest.fixture
def budget(redis_url: str) -> Iterator[Budget]:
    opened = Budget(redis_url)
    yield opened
    opened.runner.run(opened.store.redis.aclose())
    opened.runner.close()


def test_segments_are_given_until_there_are_none(budget: Budget) -> None:
    given = [budget.begin(f"e{n}", segments=3, limit=10) for n in range(4)]
    assert given == ["begun", "begun", "begun", OVER]
    assert budget.begin("e4", segments=1, limit=10) == "begun"
    assert budget.sum() == 10


def test_a_look_takes_nothing(budget: Budget) -> None:
    for name in ("e0", "e1", "e2"):
        assert budget.room(name, segments=1, limit=1).granted
    assert budget.sum() == 0


def test_trying_again_counts_nothing_twice(budget: Budget) -> None:
    assert budget.begin("e0", segments=6, limit=10) == "begun"
    budget.end("e0", "unknown")
    assert budget.room("e0", segments=6, limit=10).granted
    assert budget.begin("e0", segments=6, limit=10, version=2, again=True) == "begun"
    assert budget.sum() == 6


@pytest.mark.parametrize(("outcome", "left"), [("refused", 0), ("withdrawn", 0), ("deferred", 1), ("unknown", 1)])
def test_what_did_not_happen_gives_its_segments_back(budget: Budget, outcome: EffectOutcome, left: int) -> None:
    budget.begin("e0", segments=1, limit=1)
    budget.end("e0", outcome)
    assert budget.sum() == left
    assert budget.begin("e1", segments=1, limit=1) == ("begun" if left == 0 else OVER)


def test_a_person_is_told_once_an_hour(budget: Budget) -> None:
    budget.begin("e0", segments=1, limit=1)
    assert [budget.room(f"e{n}", segments=1, limit=1).tell for n in range(1, 4)] == [True, False, False]
    budget.ask(lambda store: store.redis.delete(f"{store.namespace}:sms_budget:notified"))
    assert budget.room("e9", segments=1, limit=1).tell


def test_what_was_reserved_an_hour_ago_is_free_again(budget: Budget) -> None:
    budget.begin("e0", segments=2, limit=3)
    budget.begin("e1", segments=1, limit=3)
    assert WINDOW - 10 < budget.room("e2", segments=2, limit=3).again_in <= WINDOW
    budget.grow_older("e0")
    assert budget.room("e2", segments=2, limit=3) == Room(granted=True, again_in=0, tell=False)
    assert budget.begin("e2", segments=2, limit=3) == "begun"
    assert budget.begin("e3", segments=1, limit=3) == OVER


def test_nothing_of_it_stays_for_ever(budget: Budget) -> None:
    budget.begin("e0", segments=1, limit=1)
    budget.room("e1", segments=1, limit=1)
    assert len(budget.left()) == 3
    assert all(each > 0 for each in budget.left())
