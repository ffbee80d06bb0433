"""Turns that claims give: events whose key is their number have their lanes when they are accepted."""

import itertools
import json
import time
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import pytest

from service.security.encryption import PLAIN, EncryptionKey, Sealer
from service.store.connection import connect
from service.store.inbox import accept, dead_letters, transfer
from service.store.inbox.accept import NewEvent
from service.store.inbox.audit import audit
from service.store.inbox.leases import ClaimRequest, HandlerResults, Lease, claim, finish
from service.store.inbox.order import Placing, key_digests, register, take_turns
from service.store.store import Store
from tests.pending import pending
from tests.store.test_turns import DEAD, DONE, told

NUMBER = "+13125550142"
KEEP = {"keep": ["test.*"]}


def event(event_id: str, number: str | None = NUMBER, event_type: str = "test.one") -> NewEvent:
    """An event of a number."""
    body = json.dumps({"data": {"payload": {"phone_number": number} if number else {}}})
    return NewEvent(event_id, event_type, body.encode(), "webhook")


class Numbered:
    """The events of a deployment that orders them by number. A worker's claim tells of each what its handler may do."""

    def __init__(self, store: Store) -> None:
        self.store, self.held = store, dict[str, Lease]()
        self._numbers = itertools.count(1)
        self.woken: list[str] = []

    async def accept(self, *ids: str, number: str | None = NUMBER, event_type: str = "test.one") -> None:
        await accept.accept(self.store, [event(each, number, event_type) for each in ids])

    async def accept_without_number(self, *ids: str) -> None:
        await accept.accept_packed(self.store, [accept.pack_event(event(each), self.store.encryption) for each in ids])

    async def claim(
        self,
        *,
        worker: str = "w",
        limit: int = 10,
        routes: Mapping[str, Sequence[str]] = KEEP,
        ordered: Mapping[str, Sequence[str]] = KEEP,
        only: str | None = None,
        number: int | None = None,
        lease: float = 3600.0,
    ) -> dict[str, str]:
        number = number or next(self._numbers)
        request = ClaimRequest(worker, number, lease, limit, routes, ordered=ordered, only=only)
        leases = (await claim(self.store, request)).leases
        self.held |= {each.record.id: each for each in leases}
        return {each.record.id: "ask" if each.turn is None else told(each.turn) for each in leases}

    async def ask(self, event_id: str) -> str:
        digests = key_digests(NUMBER, self.store.encryption)
        [turn], _ = await take_turns(self.store, [Placing(event_id, {"keep": digests}, self.held[event_id].token)])
        return told(turn)

    async def end(self, *ids: str, **ended: Any) -> None:
        results = [HandlerResults.of(self.held.pop(each), ended or {"keep": DONE}, release=True) for each in ids]
        states = await finish(self.store, results, at_turn=lambda event_id, _: self.woken.append(event_id))
        assert "lost" not in states

    async def give_back(self, event_id: str) -> None:
        await finish(self.store, [HandlerResults.of(self.held.pop(event_id), {}, release=True)])

    async def left_over(self) -> list[str]:
        keys = [key.decode().split(":")[1] async for key in self.store.redis.scan_iter(f"{self.store.namespace}:*")]
        turns = await pending(self.store.redis.hkeys(f"{self.store.namespace}:turns"))
        lanes = [lane.decode() for lane in turns if lane]
        return [*(key for key in keys if key in ("lane", "unkeyed", "waiting_turn")), *lanes]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def lane(redis_url: str) -> AsyncIterator[Numbered]:
    async with connect(redis_url, timeout=10, connections=2) as redis:
        store = Store(redis, f"t{uuid.uuid4().hex[:12]}", PLAIN)
        await register(store, KEEP, by_number=["keep"])
        yield Numbered(store)
        assert (await audit(store)).clean


pytestmark = pytest.mark.anyio


async def test_the_first_of_a_number_may_run_and_the_others_follow_it_without_a_further_call(lane: Numbered) -> None:
    await lane.accept("c", "b", "a")
    await lane.accept("x", number="+13125550143")
    await lane.accept("none", number=None)
    assert await lane.claim() == {"c": "go", "b": "c", "a": "c", "x": "go", "none": "go"}
    await lane.end("c", "x", "none")
    assert lane.woken == ["b"]
    await lane.end("b")
    assert lane.woken == ["b", "a"]
    await lane.end("a")
    assert await lane.left_over() == []


async def test_an_event_follows_one_of_an_earlier_claim_of_its_worker_and_no_other_workers(lane: Numbered) -> None:
    await lane.accept("a", "b", "c")
    assert await lane.claim(limit=1) == {"a": "go"}
    assert await lane.claim(limit=1) == {"b": "a"}
    assert await lane.claim(worker="v") == {"c": "ask"}
    assert await lane.ask("c") == "a"
    await lane.give_back("c")
    await lane.end("a")
    await lane.end("b")
    assert lane.woken == ["b", "c"]
    assert await lane.claim(worker="v") == {"c": "go"}
    await lane.end("c")
    assert await lane.left_over() == []


async def test_a_follower_that_asks_is_due_once_it_is_woken_and_given_back(lane: Numbered) -> None:
    await lane.accept("a", "b")
    await lane.claim()
    assert await lane.ask("b") == "a"
    await lane.end("a")
    assert lane.woken == ["b"]
    await lane.give_back("b")
    assert await lane.claim(worker="v") == {"b": "go"}


async def test_no_end_wakes_a_follower_whose_lease_was_given_back(lane: Numbered) -> None:
    await lane.accept("a", "b")
    await lane.claim()
    await lane.give_back("b")
    await lane.end("a")
    assert lane.woken == []
    assert await lane.claim(worker="v") == {"b": "go"}


async def test_a_follower_whose_worker_died_has_the_turn_once_the_first_ends(lane: Numbered) -> None:
    await lane.accept("a", "b", "c")
    assert await lane.claim(limit=2) == {"a": "go", "b": "a"}
    await pending(lane.store.redis.hset(lane.store.keys.event("b"), "lease_until", "1"))
    await lane.store.run("repair", "b")
    assert await lane.claim(worker="v") == {"b": "ask", "c": "ask"}
    assert [await lane.ask("b"), await lane.ask("c")] == ["a", "a"]
    await lane.end("a")
    assert lane.woken == ["b"]
    await lane.end("b")
    assert lane.woken == ["b", "c"]


async def test_none_runs_before_an_earlier_event_whose_number_nobody_has_computed(lane: Numbered) -> None:
    await lane.accept("x")
    await lane.accept_without_number("a")
    await lane.accept("b", "c")
    assert await lane.claim(limit=1) == {"x": "go"}
    await lane.end("x")
    assert await lane.claim(worker="u", limit=1) == {"a": "ask"}
    assert await lane.claim(worker="v", limit=1) == {"b": "ask"}
    assert await lane.claim(worker="w") == {"c": "ask"}
    assert [await lane.ask("b"), await lane.ask("c")] == ["early", "early"]
    assert await lane.ask("a") == "go"
    # b has not asked since, and stands before c.
    assert await lane.ask("c") == "a"
    await lane.end("a")
    assert lane.woken == []
    assert await lane.ask("b") == "go"
    await lane.end("b")
    assert lane.woken == ["c"]


async def test_one_that_is_left_to_other_workers_is_not_passed(lane: Numbered) -> None:
    both = {**KEEP, "free": ["test.two", "test.three"]}
    await register(lane.store, both, by_number=["keep", "free"])
    await lane.accept("a", event_type="test.two")
    await lane.accept("b", event_type="test.one")
    assert await lane.claim() == {"b": "ask"}
    assert await lane.ask("b") == "a"
    await lane.give_back("b")
    assert await lane.claim(worker="v", routes=both, ordered=both) == {"a": "go"}
    await lane.end("a", keep=DONE, free=DONE)
    assert lane.woken == ["b"]


async def test_a_claim_notes_which_handlers_run_in_order(lane: Numbered) -> None:
    await lane.claim(ordered={**KEEP, "late": ["test.late"]})
    [known] = await pending(lane.store.redis.hmget(lane.store.keys.counts, ["orderings"]))
    assert json.loads(known)["late"]["types"] == ["test.late"]


async def test_one_that_is_claimed_alone_passes_none_that_came_before(lane: Numbered) -> None:
    await lane.accept("a", "b", "c")
    assert await lane.claim(only="b") == {"b": "ask"}
    assert await lane.ask("b") == "a"
    assert await lane.claim(worker="v") == {"a": "go", "c": "a"}
    await lane.end("a")
    await lane.end("b")
    assert lane.woken == ["b", "c"]


@pytest.mark.parametrize(
    ("earlier", "was_claimed", "is_claimed"), [(4_999, False, True), (5_000, False, False), (5_000, True, True)]
)
async def test_a_lone_claim_looks_at_no_more_than_5000_earlier_events(
    lane: Numbered, earlier: int, *, was_claimed: bool, is_claimed: bool
) -> None:
    await lane.accept_without_number("a")
    if was_claimed:
        await lane.claim()
        await lane.give_back("a")
    store = lane.store
    await pending(store.redis.zadd(store.keys.queue, {f"another-{number}": 1 for number in range(earlier)}))
    assert ("a" in await lane.claim(only="a")) == is_claimed


async def test_one_that_a_worker_without_order_has_is_not_passed(lane: Numbered) -> None:
    await lane.accept("a", "b")
    aged = json.dumps({"keep": {"types": ["test.*"], "seen": 1, "by_number": True, "complete": True}})
    await pending(lane.store.redis.hset(lane.store.keys.counts, "orderings", aged))
    await lane.claim(limit=1, ordered={})
    assert await lane.claim(worker="v") == {"b": "ask"}
    assert await lane.ask("b") == "a"
    await lane.end("a")
    assert lane.woken == ["b"]


async def test_a_retried_event_takes_its_place_before_those_that_have_not_begun(lane: Numbered) -> None:
    await lane.accept("a", "b", "c")
    await lane.claim(limit=2)
    await lane.end("a", keep=DEAD)
    await dead_letters.retry(lane.store, ["a"], by="ops")
    assert await lane.claim(worker="v") == {"a": "ask", "c": "ask"}
    assert [await lane.ask("a"), await lane.ask("c")] == ["b", "b"]
    await lane.end("b")
    await lane.end("a")
    await lane.end("c")
    assert lane.woken == ["b", "a", "c"]
    assert await lane.left_over() == []


async def test_an_imported_event_takes_its_place_by_the_fraction_of_a_millisecond(lane: Numbered) -> None:
    past = [transfer.ImportedEvent(each, "test.one", event(each).body, "webhook", 1_000, 1, {}) for each in "ba"]
    await lane.accept("c")
    await transfer.import_events(lane.store, past, run_them=True, keep=60)
    due = await lane.store.redis.zrange(lane.store.keys.queue, 0, -1, withscores=True)
    assert [job.decode()[-1] for job, _ in due] == ["c", "b", "a"]
    assert all(score < time.time() * 1000 for _, score in due)
    assert await lane.claim() == {"c": "go", "b": "ask", "a": "ask"}


async def test_an_event_waits_for_one_that_came_before_its_encryption_key(lane: Numbered) -> None:
    key = EncryptionKey(bytes(32))
    later = Numbered(Store(lane.store.redis, lane.store.namespace, Sealer((key,))))
    await lane.accept("a")
    await later.accept("b", "c")
    assert await lane.claim(limit=1) == {"a": "go"}
    assert await later.claim(worker="v") == {"b": "ask", "c": "ask"}
    assert [await later.ask("b"), await later.ask("c")] == ["a", "a"]
    await lane.end("a")
    assert [await later.ask("b"), await later.ask("c")] == ["go", "b"]


async def test_events_that_wait_while_their_handler_is_renamed_keep_their_order(lane: Numbered) -> None:
    await lane.accept("a", "b")
    renamed = {"kept": ["test.*"]}
    aged = json.dumps({"keep": {"types": ["test.*"], "seen": 1, "by_number": True, "complete": True}})
    await pending(lane.store.redis.hset(lane.store.keys.counts, "orderings", aged))
    await register(lane.store, renamed, by_number=["kept"])
    await lane.accept("c")
    assert await lane.claim(routes=renamed, ordered=renamed) == {"a": "ask", "b": "ask", "c": "ask"}
    placings = [Placing(each, {"kept": key_digests(NUMBER, PLAIN)}, lane.held[each].token) for each in ("c", "b", "a")]
    turns, _ = await take_turns(lane.store, placings)
    assert [each.waits for each in turns] == [{"kept": "a"}, {"kept": "a"}, {}]
    await lane.end("a", kept=DONE)
    assert lane.woken == ["b"]


async def test_a_claim_whose_answer_was_lost_is_answered_alike(lane: Numbered) -> None:
    await lane.accept("a", "b", "c")
    assert await lane.claim(number=7, limit=2) == {"a": "go", "b": "a"}
    assert await lane.claim(number=7, limit=2) == {"a": "go", "b": "a"}
    await lane.end("a")
    assert lane.woken == ["b"]


async def test_a_record_whose_place_is_damaged_holds_no_other(lane: Numbered) -> None:
    await lane.accept("a", "b", "c")
    await pending(lane.store.redis.hset(lane.store.keys.event("a"), "sequence", "x"))
    await pending(lane.store.redis.hset(lane.store.keys.event("b"), "order", "keep"))
    assert await lane.claim() == {"a": "go", "b": "ask", "c": "a"}


async def test_without_a_handler_in_order_accept_asks_for_no_number(redis_url: str) -> None:
    async with connect(redis_url, timeout=10, connections=2) as redis:
        lane = Numbered(Store(redis, f"t{uuid.uuid4().hex[:12]}", PLAIN))
        packed = [accept.pack_event(event("a"), PLAIN)]
        assert (await accept.accept_packed(lane.store, packed))[1] == []
        await register(lane.store, {**KEEP, "own": ["own"]}, by_number=["keep"])
        assert (await accept.accept_packed(lane.store, [accept.pack_event(event("b"), PLAIN)]))[1] == [b"test.*"]
        assert (await accept.accept_packed(lane.store, packed))[1] is None
