"""The order of events, whatever happens to them: claims, lapses, retries, deaths, drops, replays, in any sequence."""

import itertools
import uuid
from typing import Any

import anyio.from_thread
import hypothesis
import hypothesis.strategies as st
import pytest
from hypothesis import settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    get_state_machine_test,
    initialize,
    invariant,
    precondition,
    rule,
)

from service.security.encryption import PLAIN
from service.store.connection import connect
from service.store.inbox import accept, dead_letters
from service.store.inbox.accept import NewEvent, accept_packed, pack_event
from service.store.inbox.audit import audit
from service.store.inbox.handler_records import HandlerRecord
from service.store.inbox.leases import ClaimRequest, HandlerResults, Lease, claim, finish
from service.store.inbox.order import Placing, Turn, key_digests, number_digests, register, take_turns
from service.store.store import Store
from tests.pending import pending

ROUTES = {"keep": ["test.*"], "free": ["test.*"]}
ORDERED = {"keep": ["test.*"]}
NUMBERS = ("a", "b", "c")
LEASE = 3600.0


class OrderedEvents(RuleBasedStateMachine):
    """A deployment with two workers, and a model of what may begin: the earliest open event of each key."""

    url = ""

    @initialize()
    def start(self) -> None:
        self.stack = anyio.from_thread.start_blocking_portal()
        self.portal = self.stack.__enter__()
        self.namespace = f"t{uuid.uuid4().hex[:12]}"
        self.store = self.portal.call(self._open)
        self.ids = itertools.count()
        self.claims = itertools.count(1)
        self.held: dict[str, Lease] = {}
        self.begun: dict[str, str] = {}
        self.ended: set[str] = set()
        self.accepted: list[str] = []
        self.dead: set[str] = set()
        self.unasked: list[str] = []
        self.waiting: list[str] = []
        self._call(register, ORDERED, by_number=["keep"])

    async def _open(self) -> Store:
        return Store(connect(self.url, timeout=10, connections=4), self.namespace, PLAIN)

    def _call(self, function: Any, *args: Any, **options: Any) -> Any:
        async def act() -> Any:
            return await function(self.store, *args, **options)

        return self.portal.call(act)

    @rule(
        numbers=st.lists(st.sampled_from(NUMBERS), min_size=1, max_size=4), known=st.sampled_from([True, True, False])
    )
    def accept(self, numbers: list[str], *, known: bool) -> None:
        """Accept events, with the digests of their numbers or without."""
        # The ids do not tell the order.
        ids = [f"{number}-{99 - next(self.ids):02d}-{uuid.uuid4().hex[:4]}" for number in numbers]
        packed = [
            pack_event(
                NewEvent(each, "test.one", b'{"data":{}}', "webhook"),
                PLAIN,
                number=number_digests(each[0], PLAIN) if known else b"",
            )
            for each in ids
        ]
        self._call(accept_packed, packed)
        self.accepted += ids

    @rule(limit=st.integers(1, 4), worker=st.integers(1, 2), alone=st.booleans())
    def claim(self, limit: int, *, worker: int = 1, alone: bool = False) -> None:
        """Claim, and do not ask yet: the worker may vanish before."""
        routes = ORDERED if alone else ROUTES
        request = ClaimRequest(f"worker{worker}", next(self.claims), LEASE, limit, routes, ordered=ORDERED)
        for lease in self._call(claim, request).leases:
            event_id, keep = lease.record.id, lease.record.handlers["keep"]
            self.held[event_id] = lease
            if keep.ended or keep.due > lease.claimed_at:
                continue
            if keep.has_turn:
                self._begins(event_id)
            else:
                self.unasked.append(event_id)
                if lease.turn is not None:
                    self._learn(event_id, lease.turn)

    @precondition(lambda self: self.unasked)
    @rule(data=st.data(), places=st.booleans())
    def ask(self, data: st.DataObject, *, places: bool) -> None:
        """Ask for the turns of some events at once. Give the earlier ones their places, or leave that to others."""
        asking = data.draw(st.lists(st.sampled_from(self.unasked), unique=True, min_size=1, max_size=5))
        turns, earlier = self._call(take_turns, [_placing(each, self.held[each]) for each in asking])
        for event_id, turn in zip(asking, turns, strict=True):
            assert not turn.is_lost
            if not turn.is_early:
                self._learn(event_id, turn)
        if places and earlier:
            self._call(take_turns, [_placing(each.id) for each in earlier])

    def _learn(self, event_id: str, turn: Turn) -> None:
        self.unasked.remove(event_id)
        if turn.waits:
            assert self._first(event_id[0]) != event_id
            assert turn.waits["keep"] in self._open_of(event_id[0])
            self.waiting.append(event_id)
        else:
            self._begins(event_id)

    def _begins(self, event_id: str) -> None:
        assert self._first(event_id[0]) == event_id
        assert self.begun.setdefault(event_id[0], event_id) == event_id

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def give_back(self, data: st.DataObject) -> None:
        event_id = data.draw(st.sampled_from(self.waiting))
        self.waiting.remove(event_id)
        self._finish(event_id, {"free": HandlerRecord("done")})

    def _open_of(self, number: str) -> list[str]:
        return [each for each in self.accepted if each[0] == number and each not in self.ended]

    def _first(self, number: str) -> str:
        """The event that has begun, else the earliest that has not ended."""
        return self.begun.get(number) or self._open_of(number)[0]

    @precondition(lambda self: self._runs())
    @rule(data=st.data(), state=st.sampled_from(["done", "done", "dead", "waiting"]))
    def end(self, data: st.DataObject, state: Any) -> None:
        event_id = data.draw(st.sampled_from(self._runs()))
        if state != "waiting":
            self._left(event_id, dead=state == "dead")
        self._finish(event_id, {"free": HandlerRecord("done"), "keep": HandlerRecord(state, reason="why")})

    def _runs(self) -> list[str]:
        return [each for each in sorted(self.held) if self.begun.get(each[0]) == each and each not in self.unasked]

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def die_without_a_run(self, data: st.DataObject) -> None:
        event_id = data.draw(st.sampled_from(self.waiting))
        self.waiting.remove(event_id)
        self._left(event_id, dead=True)
        self._finish(event_id, {"free": HandlerRecord("done"), "keep": HandlerRecord("dead", reason="too_old")})

    def _left(self, event_id: str, *, dead: bool) -> None:
        self.ended.add(event_id)
        if self.begun.get(event_id[0]) == event_id:
            del self.begun[event_id[0]]
        if dead:
            self.dead.add(event_id)

    def _finish(self, event_id: str, ended: dict[str, HandlerRecord]) -> None:
        lease = self.held.pop(event_id)
        ended = {name: each for name, each in ended.items() if name in lease.record.handlers}
        results = HandlerResults.of(lease, ended, release=True)
        assert self._call(finish, [results], at_turn=self._gets_turn) != ["lost"]

    def _gets_turn(self, event_id: str, handler: str) -> None:
        assert handler == "keep"
        self._begins(event_id)
        # Its worker may start it at once.
        self.waiting = [each for each in self.waiting if each != event_id]

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def lapse(self, data: st.DataObject) -> None:
        event_id = data.draw(st.sampled_from(sorted(self.held)))
        del self.held[event_id]
        self.unasked = [each for each in self.unasked if each != event_id]
        self.waiting = [each for each in self.waiting if each != event_id]

        async def let_lapse(store: Store) -> None:
            await store.redis.hset(store.keys.event(event_id), "lease_until", "1")  # type: ignore[misc]
            await store.redis.hdel(store.keys.event(event_id), "lapses", "alone")  # type: ignore[misc]
            await store.redis.zadd(store.keys.queue, {store.keys.job_id(event_id): 1})

        self._call(let_lapse)

    @precondition(lambda self: self.dead)
    @rule(data=st.data(), action=st.sampled_from(["retry", "replay", "drop", "erase"]))
    def act_on_the_dead(self, data: st.DataObject, action: str) -> None:
        chosen = data.draw(st.lists(st.sampled_from(sorted(self.dead)), unique=True, min_size=1))
        if action == "erase":
            answers = self._call(_erase, chosen)
        else:
            answers = self._call(getattr(dead_letters, action), chosen, by="ops")
        assert len(answers) == len(chosen)
        self.dead -= set(chosen)
        if action in ("retry", "replay"):
            self.ended -= set(chosen)

    @invariant()
    def every_key_goes_on(self) -> None:
        """No open event waits for ever: the first of each key is due, or it has begun."""
        if not hasattr(self, "accepted"):
            return
        for number in NUMBERS:
            waiting = self._open_of(number)
            if waiting and number not in self.begun and waiting[0] not in self.held:
                record = self._call(accept.find, waiting[0])
                assert record is not None
                assert "keep" not in record.handlers or record.handlers["keep"].behind is None

    def teardown(self) -> None:
        if not hasattr(self, "portal"):
            return
        try:
            self._drain()
        finally:
            self.portal.call(self.store.redis.aclose)
            self.stack.__exit__(None, None, None)

    def _drain(self) -> None:
        """Let everything end well, and look at what is left."""
        for turn in range(20 * len(self.accepted) + 20):
            while self.unasked:
                self._ask_all()
            for event_id in self._runs():
                self._left(event_id, dead=False)
                self._finish(event_id, {"free": HandlerRecord("done"), "keep": HandlerRecord("done")})
            for event_id in [*self.waiting]:
                self.waiting.remove(event_id)
                self._finish(event_id, {"free": HandlerRecord("done")})
            if not any(self._open_of(number) for number in NUMBERS):
                break
            # A worker of its own: none claims what lapsed while it had it.
            self.claim(4, worker=3 + turn)
        assert not any(self._open_of(number) for number in NUMBERS)
        assert self.portal.call(self._left_over) == []
        assert self._call(audit).clean

    def _ask_all(self) -> None:
        asking = [*self.unasked]
        turns, earlier = self._call(take_turns, [_placing(each, self.held[each]) for each in asking])
        for event_id, turn in zip(asking, turns, strict=True):
            if not turn.is_early:
                self._learn(event_id, turn)
        self._call(take_turns, [_placing(each.id) for each in earlier])

    async def _left_over(self) -> list[bytes]:
        names = ("lane", "unkeyed", "waiting_turn")
        turns = await pending(self.store.redis.hkeys(f"{self.namespace}:turns"))
        return [lane for lane in turns if lane] + [
            key
            async for key in self.store.redis.scan_iter(f"{self.namespace}:*")
            if key.split(b":")[1].decode() in names
        ]


def _placing(event_id: str, lease: Lease | None = None) -> Placing:
    return Placing(event_id, {"keep": key_digests(event_id[0], PLAIN)}, lease.token if lease else "")


async def _erase(store: Store, chosen: list[str]) -> list[Any]:
    erased: list[Any] = await store.run("erase", *chosen)
    return erased


def run(url: str, *, examples: int, steps: int, seed: int | None = None) -> None:
    chosen = settings(max_examples=examples, stateful_step_count=steps, deadline=None, derandomize=seed is None)
    test = get_state_machine_test(type("Machine", (OrderedEvents,), {"url": url}), settings=chosen)
    hypothesis.seed(seed)(test)() if seed is not None else test()


@pytest.mark.anyio
@pytest.mark.parametrize("head_first", [True, False])
async def test_one_that_is_given_back_in_the_batch_that_ends_the_one_before_is_due(
    redis_url: str, *, head_first: bool
) -> None:
    async with connect(redis_url, timeout=10, connections=2) as redis:
        store = Store(redis, f"t{uuid.uuid4().hex[:12]}", PLAIN)
        await register(store, ORDERED)
        await accept.accept(store, [NewEvent(each, "test.one", b'{"data":{}}', "webhook") for each in ("b", "a")])
        leases = (await claim(store, ClaimRequest("w", 1, LEASE, 2, {"keep": ["*"]}, ordered=ORDERED))).leases
        placings = [Placing(each.record.id, {"keep": ("ab",)}, each.token) for each in leases]
        await take_turns(store, placings)
        given = {each.record.id: each for each in leases}
        endings = [
            HandlerResults.of(given["b"], {"keep": HandlerRecord("done")}, release=True),
            HandlerResults.of(given["a"], {}, release=True),
        ]
        await finish(store, endings if head_first else endings[::-1])
        assert [
            each.record.id for each in (await claim(store, ClaimRequest("w", 2, LEASE, 2, {}, ordered=ORDERED))).leases
        ] == ["a"]


@pytest.mark.slow
def test_whatever_happens_only_the_earliest_open_event_of_a_key_begins(redis_url: str) -> None:
    run(redis_url, examples=15, steps=25)


@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_however_much_happens_only_the_earliest_open_event_of_a_key_begins(redis_url: str, seed: int) -> None:
    run(redis_url, examples=100, steps=50, seed=seed)
