"""Turns: which event of a key may run, whatever is done to the others."""

import itertools
import time
import uuid
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from service.security.encryption import PLAIN
from service.store.connection import connect
from service.store.inbox import accept, dead_letters, maintenance, transfer
from service.store.inbox.accept import NewEvent
from service.store.inbox.audit import audit
from service.store.inbox.handler_records import HandlerRecord
from service.store.inbox.healing import MissedEvent, heal
from service.store.inbox.leases import ClaimRequest, HandlerResults, Lease, claim, finish
from service.store.inbox.order import NO_LANE, Placing, Turn, register, take_turns
from service.store.store import Store
from tests.pending import pending

ORDERED = {"keep": ["test.*"]}
ROUTES = {"keep": ["test.*"], "free": ["test.*"]}
BODY = b'{"data":{}}'
DONE, DEAD = HandlerRecord("done"), HandlerRecord("dead", reason="why")


class Lane:
    """The events of one key, and what a worker does with them. `asked` answers `go`, `lost`, `early` or an id."""

    def __init__(self, store: Store) -> None:
        self.store, self.held = store, dict[str, Lease]()
        self._numbers = itertools.count(1)
        self.woken: list[str] = []

    async def accept(self, *ids: str, delay: int = 0) -> None:
        way = "schedule" if delay else "webhook"
        await accept.accept(self.store, [NewEvent(each, "test.one", BODY, way, delay=delay) for each in ids])

    async def claim(self, *, worker: str = "w", limit: int = 10, ordered: Any = ORDERED) -> list[str]:
        request = ClaimRequest(worker, next(self._numbers), 3600.0, limit, ROUTES, ordered=ordered)
        leases = (await claim(self.store, request)).leases
        self.held |= {each.record.id: each for each in leases}
        return [each.record.id for each in leases]

    async def ask(
        self, *ids: str, lanes: Sequence[str] = ("aa",), patient: bool = False
    ) -> tuple[list[str], list[str]]:
        placings = [Placing(each, {"keep": lanes}, self.held[each].token) for each in ids]
        turns, unkeyed = await take_turns(self.store, placings, patient=patient)
        return [told(each) for each in turns], [each.id for each in unkeyed]

    async def place(self, *ids: str, lanes: Sequence[str] = ("aa",)) -> None:
        await take_turns(self.store, [Placing(each, {"keep": lanes}) for each in ids])

    async def asked(self, *ids: str) -> list[str]:
        return (await self.ask(*ids))[0]

    async def end(self, *ids: str, keep: HandlerRecord | None = DONE, free: HandlerRecord | None = DONE) -> None:
        ended = {name: each for name, each in (("keep", keep), ("free", free)) if each is not None}
        results = [HandlerResults.of(self.held.pop(each), ended, release=True) for each in ids]
        states = await finish(self.store, results, at_turn=lambda event_id, _: self.woken.append(event_id))
        assert "lost" not in states

    async def give_back(self, *ids: str) -> None:
        await self.end(*ids, keep=None)

    async def keep(self, event_id: str) -> HandlerRecord:
        record = await accept.find(self.store, event_id)
        assert record is not None
        return record.handlers["keep"]

    async def left_over(self) -> list[str]:
        names = ("lane", "unkeyed", "waiting_turn")
        keys = [key.decode().split(":") async for key in self.store.redis.scan_iter(f"{self.store.namespace}:*")]
        turns = await pending(self.store.redis.hkeys(f"{self.store.namespace}:turns"))
        return [*(key[1] for key in keys if key[1] in names), *(lane.decode() for lane in turns if lane)]


def told(turn: Turn) -> str:
    if turn.is_lost:
        return "lost"
    return "early" if turn.is_early else turn.waits.get("keep", "go")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def lane(redis_url: str) -> AsyncIterator[Lane]:
    async with connect(redis_url, timeout=10, connections=2) as redis:
        store = Store(redis, f"t{uuid.uuid4().hex[:12]}", PLAIN)
        await register(store, ORDERED)
        yield Lane(store)
        assert (await audit(store)).clean


pytestmark = pytest.mark.anyio


async def test_the_end_of_an_event_gives_the_turn_to_the_next_which_does_not_ask_again(lane: Lane) -> None:
    await lane.accept("c", "b", "a")
    assert await lane.claim() == ["c", "b", "a"]
    assert await lane.asked("a", "b", "c") == ["c", "c", "go"]
    assert (await maintenance.queue(lane.store)).turns == {"keep": 2}
    await lane.give_back("a", "b")
    assert await lane.claim() == []
    await lane.end("c")
    assert lane.woken == ["b"]
    assert await lane.claim() == ["b"]
    waited = lane.held["b"].record.handlers["keep"]
    assert (waited.state, waited.behind, waited.reason, waited.has_turn) == ("pending", None, None, 1)
    await lane.end("b")
    assert await lane.claim() == ["a"]
    await lane.end("a")
    assert lane.woken == ["b", "a"]
    assert await lane.left_over() == []
    assert (await maintenance.queue(lane.store)).turns == {"keep": 0}


async def test_an_event_that_runs_again_keeps_its_turn(lane: Lane) -> None:
    await lane.accept("a", "b")
    await lane.claim()
    assert await lane.asked("a", "b") == ["go", "a"]
    await lane.end("a", keep=HandlerRecord("waiting", reason="error"))
    await lane.give_back("b")
    assert lane.woken == []
    assert await lane.claim() == ["a"]
    assert await lane.asked("a") == ["go"]
    await lane.end("a", keep=DEAD)
    assert lane.woken == ["b"]


async def test_a_handler_that_has_ended_takes_no_turn(lane: Lane) -> None:
    await lane.accept("a")
    await lane.claim()
    await lane.asked("a")
    await lane.end("a", free=HandlerRecord("waiting", reason="error"))
    assert await lane.claim() == ["a"]
    assert await lane.asked("a") == ["go"]
    assert await lane.left_over() == []


@pytest.mark.parametrize("how", ["retry", "replay"])
async def test_one_that_runs_again_stands_before_those_that_have_not_begun(lane: Lane, how: str) -> None:
    await lane.accept("a", "b", "c")
    await lane.claim()
    await lane.asked("a", "b", "c")
    await lane.give_back("c")
    await lane.end("a", keep=DEAD)
    # b has begun: a does not run beside it, and c comes after both.
    await (dead_letters.retry if how == "retry" else dead_letters.replay)(lane.store, ["a"], by="ops")
    assert await lane.claim() == ["a"]
    assert await lane.asked("a") == ["b"]
    await lane.give_back("a")
    await lane.end("b")
    assert await lane.claim() == ["a"]
    await lane.end("a")
    assert await lane.claim() == ["c"]


async def test_a_replayed_event_takes_its_place_before_it_is_claimed(lane: Lane) -> None:
    await lane.accept("a", "b", "c")
    await lane.claim()
    await lane.asked("a", "b", "c")
    await lane.end("b", keep=DEAD)
    await dead_letters.replay(lane.store, ["b"], by="ops")
    await lane.end("a")
    assert lane.woken == []
    assert await lane.claim() == ["b"]
    assert await lane.asked("b") == ["go"]
    await lane.end("b")
    assert lane.woken == ["c"]


async def test_no_event_begins_while_an_earlier_one_has_no_place(lane: Lane) -> None:
    await lane.accept("a", "b")
    assert await lane.claim(limit=1) == ["a"]
    assert await lane.claim(worker="v") == ["b"]
    assert await lane.ask("b") == (["early"], ["a"])
    assert await lane.ask("b", patient=True) == (["early"], [])
    await lane.place("a")
    assert await lane.asked("b") == ["a"]
    assert await lane.asked("a") == ["go"]


async def test_a_place_that_no_worker_is_about_to_give_is_asked_for_at_once(lane: Lane) -> None:
    await lane.accept("a", "b")
    await lane.claim()
    await lane.give_back("a")
    assert await lane.ask("b", patient=True) == (["early"], ["a"])


async def test_the_end_of_an_event_lets_none_run_that_is_behind_an_event_without_a_place(lane: Lane) -> None:
    await lane.accept("a", "b", "c")
    for each in ("a", "b", "c"):
        assert await lane.claim(worker=each, limit=1) == [each]
    assert await lane.asked("a") == ["go"]
    # The worker of b vanishes before it gives b its place.
    assert await lane.ask("c") == (["early"], ["b"])
    await lane.end("a")
    assert lane.woken == []
    await lane.place("b")
    assert await lane.asked("c") == ["b"]
    assert await lane.asked("b") == ["go"]
    await lane.end("b")
    assert lane.woken == ["c"]


async def test_one_that_ends_before_it_had_its_turn_lets_those_behind_it_go(lane: Lane) -> None:
    await lane.accept("a", "b", "c")
    await lane.claim()
    await lane.place("b")
    assert await lane.asked("a", "c") == ["go", "a"]
    await lane.end("a")
    assert lane.woken == []
    await lane.end("b", keep=DEAD)
    assert lane.woken == ["c"]


async def test_those_that_end_together_hold_nobody(lane: Lane) -> None:
    await lane.accept("a", "b", "c")
    await lane.claim()
    await lane.asked("a", "b", "c")
    await lane.end("a", "b", keep=DEAD)
    assert (await lane.keep("b")).state == "dead"
    assert lane.woken == ["c"]
    await lane.end("c")
    assert await lane.left_over() == []


async def test_an_event_of_another_key_waits_for_no_end(lane: Lane) -> None:
    await lane.accept("a", "b", "c")
    await lane.claim()
    assert await lane.asked("a") == ["go"]
    assert (await lane.ask("b", lanes=("bb",)))[0] == ["go"]
    assert (await lane.ask("c", lanes=(NO_LANE,)))[0] == ["go"]


async def test_turns_are_given_under_the_lease_alone(lane: Lane) -> None:
    await lane.accept("a", "b")
    await lane.claim()
    await lane.asked("a")
    await pending(lane.store.redis.hset(lane.store.keys.event("b"), "lease", "other:1"))
    assert await lane.asked("b") == ["lost"]
    await pending(lane.store.redis.hset(lane.store.keys.event("a"), "lease_until", "1"))
    assert await lane.asked("a") == ["lost"]
    await lane.store.run("repair", "a", "b")


async def test_a_turn_that_an_ended_event_has_kept_holds_nobody(lane: Lane) -> None:
    await lane.accept("a", "b")
    await lane.claim()
    await lane.asked("a")
    await lane.end("a")
    await pending(lane.store.redis.hset(f"{lane.store.namespace}:turns", "keep:aa", "a"))
    await lane.store.redis.zadd(f"{lane.store.namespace}:lane:keep:aa", {"a": 1, "gone": 2})
    assert await lane.asked("b") == ["go"]
    await lane.end("b")
    assert await lane.left_over() == []


async def test_an_event_waits_for_those_under_another_encryption_key(lane: Lane) -> None:
    await lane.accept("a", "b", "c")
    await lane.claim()
    assert await lane.asked("a") == ["go"]
    assert (await lane.ask("b", lanes=("bb", "aa")))[0] == ["a"]
    await lane.end("a")
    await lane.place("c")
    # c stands under the old key, and comes later.
    assert (await lane.ask("b", lanes=("bb", "aa")))[0] == ["go"]


async def test_the_end_of_an_event_lets_none_run_that_waits_under_another_encryption_key(lane: Lane) -> None:
    await lane.accept("x", "a", "b")
    await lane.claim()
    assert await lane.asked("a") == ["early"]
    await lane.place("x", lanes=("aa",))
    await lane.place("a", lanes=("bb",))
    assert (await lane.ask("a", lanes=("bb",)))[0] == ["go"]
    assert (await lane.ask("b", lanes=("bb", "aa")))[0] == ["x"]
    await lane.end("a")
    assert lane.woken == []
    assert (await lane.ask("b", lanes=("bb", "aa")))[0] == ["x"]
    assert (await lane.ask("x", lanes=("aa",)))[0] == ["go"]
    await lane.end("x")
    assert (await lane.ask("b", lanes=("bb", "aa")))[0] == ["go"]


async def test_an_earlier_event_that_stands_under_another_encryption_key_goes_first(lane: Lane) -> None:
    await lane.accept("a", "b")
    await lane.claim()
    await lane.place("a")
    assert (await lane.ask("b", lanes=("bb", "aa")))[0] == ["a"]


async def test_an_event_leaves_its_lane_by_whatever_end(lane: Lane) -> None:
    await lane.accept("a", "b", "c", "d")
    await lane.claim()
    await lane.asked("a", "b", "c", "d")
    # All of these wait but a: their handlers may be dead for reasons of their own.
    await lane.end("b", keep=DEAD)
    await lane.end("c", keep=DEAD)
    assert lane.woken == []
    await dead_letters.drop(lane.store, ["b"], by="ops")
    await lane.end("a")
    assert lane.woken == ["d"]
    assert await lane.store.run("erase", "a", "c") == [[b"erased", b"1", 0]] * 2
    await lane.end("d")
    assert await maintenance.prune_bodies(lane.store, older_than=-1) == 2
    assert await lane.left_over() == []
    await dead_letters.drop(lane.store, ["c"], by="ops")
    assert await maintenance.expire(lane.store, retention=-1, dead_retention=-1) == 2


async def test_a_scheduled_event_that_is_cancelled_holds_nobody(lane: Lane) -> None:
    await lane.accept("a", delay=60_000)
    await accept.cancel(lane.store, "a", remember=1000)
    await lane.accept("b")
    await lane.claim()
    assert await lane.asked("b") == ["go"]


async def test_an_imported_event_takes_its_place_when_it_is_imported(lane: Lane) -> None:
    await lane.accept("b")
    past = transfer.ImportedEvent("a", "test.one", BODY, "webhook", 1_000, 1, {})
    await transfer.import_events(lane.store, [past], run_them=True, keep=60)
    assert set(await lane.claim()) == {"a", "b"}
    assert await lane.asked("a", "b") == ["b", "go"]


async def test_a_healed_event_takes_its_place_when_it_is_healed(lane: Lane) -> None:
    await lane.accept("b")
    now = int(time.time() * 1000)
    missed = MissedEvent(NewEvent("a", "test.one", BODY, "healed"), now - 2_000, now - 1_000)
    assert await heal(lane.store, [missed], retention=3600) == [("healed", "a")]
    assert await lane.claim() == ["b", "a"]
    assert await lane.asked("a", "b") == ["b", "go"]


async def test_the_order_goes_on_once_no_worker_keeps_it(lane: Lane) -> None:
    await lane.accept("a", "b")
    await lane.claim()
    await lane.asked("a", "b")
    await lane.give_back("b")
    # As after a minute without a worker that orders the handler.
    await pending(lane.store.redis.hset(lane.store.keys.counts, "orderings", "{}"))
    await lane.end("a")
    assert await lane.claim(ordered={}) == ["b"]
    await lane.end("b")
    assert await lane.left_over() == []


async def test_a_second_handler_that_is_ordered_later_finds_events_with_a_lane_of_the_first(lane: Lane) -> None:
    await lane.accept("a", "b", "c")
    assert await lane.claim(limit=2) == ["a", "b"]
    assert await lane.asked("a", "b") == ["go", "a"]
    await lane.end("a", keep=HandlerRecord("waiting", reason="error"))
    await lane.give_back("b")
    both = {**ORDERED, "free": ["test.*"]}
    await register(lane.store, both)
    assert set(await lane.claim(ordered=both)) == {"a", "c"}
    placing = Placing("c", {"keep": ("aa",), "free": ("ff",)}, lane.held["c"].token)
    [turn], earlier = await take_turns(lane.store, [placing])
    assert turn.is_early
    assert {each.id for each in earlier} >= {"b"}
    await lane.asked("a")
    await take_turns(lane.store, [Placing(each, {"keep": ("aa",), "free": ("ff",)}) for each in ("a", "b")])
    [turn], _ = await take_turns(lane.store, [placing])
    assert turn.waits["keep"] == "a"


async def test_events_that_were_accepted_before_a_handler_was_ordered_are_found(redis_url: str) -> None:
    async with connect(redis_url, timeout=10, connections=2) as redis:
        lane = Lane(Store(redis, f"t{uuid.uuid4().hex[:12]}", PLAIN))
        await lane.accept("b", "a")
        await register(lane.store, ORDERED)
        assert set(await lane.claim()) == {"a", "b"}
        assert await lane.ask("a") == (["early"], ["b"])
        assert await lane.asked("a", "b") == ["b", "go"]
