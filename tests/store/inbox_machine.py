"""Steps of workers and operators on a real server, each beside the same step of the model."""

import asyncio
import itertools
import uuid
from typing import Any, cast

import hypothesis.strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
)

from service.security.encryption import PLAIN
from service.store.connection import connect, server_time
from service.store.effects import ledger
from service.store.effects.ledger import Entry, StoredAnswer
from service.store.inbox import accept, dead_letters
from service.store.inbox.accept import NewEvent
from service.store.inbox.handler_records import HandlerRecord
from service.store.inbox.leases import ClaimRequest, HandlerResults, HeldLease, Lease, claim, finish, renewal
from service.store.store import Store
from tests.store.inbox_model import NAMED, NUMBER, ROUTES, SUBSCRIBED, Inbox

WORKERS = ("first", "second")
LEASE = 3600.0
LATER = 10**15
BLOCK = "trouble"
IDENTITIES = st.sampled_from(("a", "b", "c", "d"))
TYPES = st.sampled_from(sorted(SUBSCRIBED))
TIMED = st.sampled_from(("timed-a", "timed-b"))
WORKER = st.sampled_from(WORKERS)
RESULTS = {
    "done": HandlerRecord("done", attempts=1),
    "dead": HandlerRecord("dead", attempts=8, reason="why"),
    "soon": HandlerRecord("waiting", attempts=1, due=1),
    "later": HandlerRecord("waiting", attempts=1, due=LATER),
    "parked": HandlerRecord("parked", due=LATER, blocked_by=BLOCK),
}


def arrival(identity: str, event_type: str, arrived_by: str = "webhook", delay: int = 0) -> NewEvent:
    number = NUMBER.encode() if identity in NAMED else b""
    return NewEvent(identity, event_type, b'{"data":{"payload":{"to":"%b"}}}' % number, arrived_by, delay=delay)


class InboxMachine(RuleBasedStateMachine):
    """A deployment of two workers on a real server, beside its model."""

    url = ""

    @initialize()
    def start(self) -> None:
        self.loop = asyncio.Runner()
        self.store = self.loop.run(self._open())
        self.inbox = Inbox(WORKERS)
        self.claims, self.names = itertools.count(1), itertools.count(1)
        self.answered = dict.fromkeys(WORKERS, 0)
        self.began: int = self.loop.run(server_time(self.store.redis))
        self.has_expired = False

    async def _open(self) -> Store:
        return Store(connect(self.url, timeout=10, connections=4), f"t{uuid.uuid4().hex[:12]}", PLAIN)

    def _call(self, function: Any, *args: Any, **options: Any) -> Any:
        return self.loop.run(function(self.store, *args, **options))

    def _redis(self, name: str, *args: Any) -> Any:
        async def act() -> Any:
            return await getattr(self.store.redis, name)(*args)

        return self.loop.run(act())

    def _fields(self, event_id: str) -> dict[bytes, bytes]:
        return cast("dict[bytes, bytes]", self._redis("hgetall", self.store.keys.event(event_id)))

    def _draw_known(self, data: st.DataObject, *, at_most: int = 3) -> list[str]:
        return data.draw(
            st.lists(st.sampled_from(sorted(self.inbox.events)), unique=True, min_size=1, max_size=at_most)
        )

    def _draw_held(self, data: st.DataObject) -> tuple[str, Lease]:
        """One of the events that a worker believes to hold, and the worker."""
        held = [(worker, each) for worker in WORKERS for each in sorted(self.inbox.held[worker])]
        worker, event_id = data.draw(st.sampled_from(held))
        return worker, self.inbox.held[worker][event_id]

    @rule(given=st.lists(st.tuples(IDENTITIES, TYPES), min_size=1, max_size=4))
    def accept(self, given: list[tuple[str, str]]) -> None:
        answers = self._call(accept.accept, [arrival(*each) for each in given])
        assert [tuple(each) for each in answers] == [self.inbox.arrive(*each, "webhook") for each in given]

    @rule(identity=TIMED, delay=st.sampled_from((0, 3_600_000, None)))
    def schedule_or_cancel(self, identity: str, delay: int | None) -> None:
        if delay is None:
            self._cancel(identity)
            return
        [answer] = self._call(accept.accept, [arrival(identity, "test.one", "schedule", delay)])
        assert tuple(answer) == self.inbox.arrive(identity, "test.one", "schedule")

    def _cancel(self, identity: str) -> None:
        self._call(accept.cancel, identity, remember=900_000)
        known = self.inbox.events.get(identity)
        if known is None:
            self.inbox.called_off.add(identity)
        elif known.handlers is None or known.is_cancelled:
            known.handlers, known.is_cancelled, known.is_over = (), True, True
            known.ended = {}

    @precondition(lambda self: self.inbox.counts()["open"])
    @rule(worker=WORKER, limit=st.integers(1, 4), alone=st.booleans(), is_lost=st.booleans())
    def claim(self, worker: str, limit: int, *, alone: bool, is_lost: bool) -> None:
        number = next(self.claims)
        request = ClaimRequest(worker, number, LEASE, limit, ROUTES, alone=alone)
        taken = self._call(claim, request)
        assert not taken.damaged
        if is_lost and taken.leases:
            repeated = self._call(claim, request)
            assert {each.record.id for each in repeated.leases} == {each.record.id for each in taken.leases}
            taken = repeated
        self.answered[worker] = number
        self._look_at_lapsed({each.record.id for each in taken.leases})
        for lease in taken.leases:
            self.inbox.take(worker, lease)

    @precondition(lambda self: self.inbox.counts()["open"])
    @rule(data=st.data(), worker=WORKER, result=st.sampled_from(("done", "dead", "dead", "soon")))
    def process(self, data: st.DataObject, worker: str, result: str) -> None:
        """Claim and finish as a worker does that nothing hinders."""
        before = set(self.inbox.held[worker])
        self.claim(worker, 4, alone=True, is_lost=False)
        for event_id in sorted(set(self.inbox.held[worker]) - before):
            self._finish(worker, event_id, [result, data.draw(st.sampled_from(sorted(RESULTS)))], ends=True)

    def _look_at_lapsed(self, taken: set[str]) -> None:
        """Follow what a claim did to events that it did not take: a suspect's lease ends, or the suspect does."""
        for event_id in sorted(self.inbox.lapsed - taken):
            fields = self._fields(event_id)
            if b"lease" not in fields:
                self.inbox.end_lapsed(event_id)
            if fields[b"state"] == b"dead" and self.inbox.events[event_id].state != "dead":
                self.inbox.kill(event_id)

    @precondition(lambda self: any(self.inbox.held.values()))
    @rule(data=st.data())
    def lapse(self, data: st.DataObject) -> None:
        _, lease = self._draw_held(data)
        if self.inbox.token.get(lease.record.id) != lease.token:
            return
        event_id, received_at = lease.record.id, lease.record.received_at
        self._redis("hset", self.store.keys.event(event_id), "lease_until", str(received_at))
        self._redis("zadd", self.store.keys.queue, {self.store.keys.job_id(event_id): received_at})
        self.inbox.lapse(event_id)

    @precondition(lambda self: self.inbox.token)
    @rule(worker=WORKER, data=st.data())
    def renew(self, worker: str, data: st.DataObject) -> None:
        held = self.inbox.held[worker]
        forgotten = data.draw(st.sets(st.sampled_from(sorted(held)))) if held else set()
        overdue = data.draw(st.sets(st.sampled_from(sorted(held)), max_size=1)) - forgotten if held else set()
        runs = [each for each in sorted(held) if each not in forgotten]
        told = [HeldLease(each, held[each].token, "overdue" if each in overdue else "extend") for each in runs]
        args = renewal(worker, told, lease=LEASE, answered=self.answered[worker])
        lost = {each.decode() for each in self._call(Store.run, "renew", *args)}
        ours = {each for each, token in self.inbox.token.items() if token.rpartition(":")[0] == worker}
        current = {each for each in runs if self.inbox.token.get(each) == held[each].token}
        assert lost == set(runs) - (current - overdue)
        self.inbox.lapsed -= current
        for event_id in sorted((current & overdue) | (ours - set(runs))):
            if event_id in overdue:
                self.inbox.events[event_id].lapses += 1
            self.inbox.release(event_id)
            if self._fields(event_id)[b"state"] == b"dead" and self.inbox.events[event_id].state != "dead":
                self.inbox.kill(event_id)
        for event_id in lost | forgotten:
            held.pop(event_id, None)

    @precondition(lambda self: any(self.inbox.held.values()))
    @rule(
        data=st.data(),
        results=st.lists(st.sampled_from(sorted(RESULTS)), max_size=2),
        ends=st.booleans(),
    )
    def finish(self, data: st.DataObject, results: list[str], *, ends: bool) -> None:
        worker, lease = self._draw_held(data)
        self._finish(worker, lease.record.id, results, ends=ends)

    def _finish(self, worker: str, event_id: str, results: list[str], *, ends: bool) -> None:
        lease = self.inbox.held[worker][event_id]
        known, before = self.inbox.events.get(event_id), self._fields(event_id)
        chosen = dict(zip(known.open_handlers if known else ["one"], results, strict=False))
        records = {name: RESULTS[result] for name, result in chosen.items()}
        [answer] = self._call(finish, [HandlerResults.of(lease, records, release=ends)])
        assert answer == self.inbox.finish(event_id, lease.token, chosen, release=ends)
        if answer == "lost":
            assert self._fields(event_id) == before, "without the lease nothing is recorded"
        if ends or answer == "lost":
            del self.inbox.held[worker][event_id]

    @precondition(lambda self: any(self.inbox.held.values()))
    @rule(data=st.data(), outcome=st.sampled_from(("", "done", "refused", "unknown")))
    def begin_an_effect(self, data: st.DataObject, outcome: str) -> None:
        _, lease = self._draw_held(data)
        event_id, name = lease.record.id, f"effect{next(self.names)}"
        entry = Entry(name, event_id, "one", False, "POST", "/messages", "", "t", "", "d", "started", b"{}")
        begun = self._call(ledger.begin, lease, entry, "run", again=False, keep=60)
        if self.inbox.token.get(event_id) != lease.token or event_id in self.inbox.lapsed:
            assert begun == "lost"
            assert self._redis("exists", f"{self.store.namespace}:effect:{name}") == 0
            return
        assert begun == "begun"
        self.inbox.events[event_id].effects[name] = "started"
        if outcome:
            self._end_effect(event_id, name, outcome)

    def _end_effect(self, event_id: str, name: str, outcome: Any) -> None:
        answer = StoredAnswer(200, "application/json", b'{"data":{"id":"1"}}')
        self._call(ledger.end, name, outcome, answer, sent_at=1, why="", note=uuid.uuid4().hex[:16])
        self.inbox.events[event_id].effects[name] = "started" if outcome == "unknown" else outcome

    @precondition(lambda self: any("started" in each.effects.values() for each in self.inbox.events.values()))
    @rule(data=st.data())
    def answer_late(self, data: st.DataObject) -> None:
        """An answer is stored whoever holds the event by now."""
        begun = [(key, name) for key, known in self.inbox.events.items() for name in known.effects]
        event_id, name = data.draw(st.sampled_from(sorted(begun)))
        if self.inbox.events[event_id].effects[name] == "started":
            self._end_effect(event_id, name, "done")

    @precondition(lambda self: self.inbox.counts().total() > self.inbox.counts()["open"])
    @rule(data=st.data(), word=st.sampled_from(("", "sent", "not_sent")), trusted=st.booleans())
    def retry(self, data: st.DataObject, word: Any, *, trusted: bool) -> None:
        chosen = self._draw_known(data)
        answers = self._call(dead_letters.retry, chosen, by="ops", word=word, trusted=trusted)
        for event_id, answer in zip(chosen, answers, strict=True):
            known = self.inbox.events[event_id]
            assert answer == self._retry_verdict(event_id, word, trusted=trusted)
            if answer == "retried":
                states = {"started": "resolved" if word == "sent" else "withdrawn", "refused": "withdrawn"}
                known.effects = {name: states.get(state, state) for name, state in known.effects.items()}
                known.run_again([name for name, state in known.ended.items() if state == "dead"], fixed=True)

    def _retry_verdict(self, event_id: str, word: str, *, trusted: bool) -> str:
        known = self.inbox.events[event_id]
        if known.state != "dead":
            return "not_dead"
        if not known.has_body or (known.is_imported and not trusted):
            return "imported" if known.has_body else "no_body"
        return "in_doubt" if not word and "started" in known.effects.values() else "retried"

    @precondition(lambda self: self.inbox.counts().total() > self.inbox.counts()["open"])
    @rule(data=st.data(), again=st.booleans(), trusted=st.booleans())
    def replay(self, data: st.DataObject, *, again: bool, trusted: bool) -> None:
        [event_id] = self._draw_known(data, at_most=1)
        known, only = self.inbox.events[event_id], "one" if again else None
        [answer] = self._call(dead_letters.replay, [event_id], by="ops", handler=only, again=again, trusted=trusted)
        if known.state == "open":
            assert answer.verdict == "open"
        elif known.has_body and known.is_imported and not trusted:
            assert answer.verdict == "imported"
        elif not known.has_body or known.is_cancelled:
            assert answer.verdict == ("cancelled" if known.has_body else "no_body")
        elif not again and "started" in known.effects.values():
            assert answer.verdict == "in_doubt"
        else:
            assert answer.verdict == "replayed"
            self._replayed(event_id, again=again)

    def _replayed(self, event_id: str, *, again: bool) -> None:
        known = self.inbox.events[event_id]
        if again:
            kept = ("refused", "withdrawn", "forgotten")
            known.effects = {name: state if state in kept else "forgotten" for name, state in known.effects.items()}
            known.handlers = known.handlers if "one" in (known.handlers or ()) else (*(known.handlers or ()), "one")
            known.run_again(["one"], fixed=True)
        else:
            known.run_again(list(known.ended), fixed=False)

    @precondition(lambda self: self.inbox.counts()["dead"])
    @rule(data=st.data())
    def drop(self, data: st.DataObject) -> None:
        chosen = self._draw_known(data)
        answers = self._call(dead_letters.drop, chosen, by="ops")
        for event_id, answer in zip(chosen, answers, strict=True):
            is_dead = self.inbox.events[event_id].state == "dead"
            assert answer == ("dropped" if is_dead else "not_dead")
            if is_dead:
                del self.inbox.events[event_id]
                self.inbox.dropped.add(event_id)
