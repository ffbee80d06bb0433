"""Whatever happens to events, in any order, the invariants of docs/architecture.md hold after each step."""

from collections import Counter
from dataclasses import asdict

import hypothesis
import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import get_state_machine_test, invariant, rule

from service.store.connection import server_time
from service.store.effects import blocks
from service.store.effects.ledger import effects_of
from service.store.inbox import accept, erasure, maintenance
from service.store.inbox.audit import audit
from service.store.inbox.healing import MissedEvent, heal
from service.store.inbox.transfer import ImportedEvent, import_events
from tests.store.inbox_machine import BLOCK, IDENTITIES, RESULTS, TYPES, InboxMachine, arrival
from tests.store.inbox_model import NUMBER

PASTS = st.none() | st.dictionaries(st.sampled_from(("one", "elsewhere")), st.sampled_from(("done", "dead")))
"""The ends of an imported event's handlers. None is that of one that is to run."""


class MaintainedInbox(InboxMachine):
    """The same deployment with its maintenance: what expires, is pruned, erased, swept, healed, held and released."""

    @rule(data=st.data(), step=st.sampled_from(("expire", "expire_all", "prune", "erase", "erase", "sweep", "block")))
    def maintain(self, data: st.DataObject, step: str) -> None:
        """Take one step of maintenance: one rule, so that most steps are those of workers and operators."""
        ended = self.inbox.counts().total() - self.inbox.counts()["open"]
        if step in ("expire", "expire_all") and ended:
            self._expire(also_dead=step == "expire_all")
        elif step == "prune" and ended:
            self._prune()
        elif step == "erase":
            self._erase_ended() if self.inbox.erasing else self._erase()
        elif step == "sweep" and (chosen := [each for each in sorted(self.inbox.events) if self._is_swept(each)]):
            self._sweep(data.draw(st.sampled_from(chosen)))
        elif step == "block":
            self._block(is_open=data.draw(st.booleans()))

    def _expire(self, *, also_dead: bool) -> None:
        states = ("done", "ignored", "dead") if also_dead else ("done", "ignored")
        expired = self._call(maintenance.expire, retention=0, dead_retention=0 if also_dead else 900)
        assert expired == self.inbox.delete(*states)
        self.has_expired = self.has_expired or expired > 0

    def _prune(self) -> None:
        self._call(maintenance.prune_bodies, older_than=0)
        for known in self.inbox.events.values():
            if known.state in ("done", "ignored"):
                known.has_body, known.is_pruned = False, True

    def _erase(self) -> None:
        erased = self._call(erasure.erase, NUMBER)
        named = {each: known for each, known in self.inbox.events.items() if known.names_number and known.has_body}
        still_open = {each for each, known in named.items() if known.state == "open"}
        assert set(erased.still_open) == still_open
        self.inbox.erasing |= still_open
        for event_id in named.keys() - still_open:
            named[event_id].has_body = False

    def _erase_ended(self) -> None:
        self._call(erasure.erase_ended)
        self.inbox.erase_ended()

    def _sweep(self, chosen: str) -> None:
        """Somebody has taken an open event out of the queue."""
        self._redis("zrem", self.store.keys.queue, self.store.keys.job_id(chosen))
        assert self._call(maintenance.sweep, first=0) == 1

    def _is_swept(self, event_id: str) -> bool:
        """Whether an open event stays so. One with a lapsed lease and no handler left ends in a sweep."""
        known = self.inbox.events[event_id]
        would_end = event_id in self.inbox.lapsed and known.handlers is not None and not known.open_handlers
        return known.state == "open" and not would_end

    @rule(identity=IDENTITIES, event_type=TYPES, is_old=st.booleans())
    def heal(self, identity: str, event_type: str, *, is_old: bool) -> None:
        at = self.began if is_old else self.loop.run(server_time(self.store.redis))
        missed = MissedEvent(arrival(identity, event_type, "healed"), at, at)
        event_id = self.inbox.id_of(identity, event_type)
        if event_id in self.inbox.events:
            expected = "known"
        elif event_id in self.inbox.dropped:
            expected = "dropped"
        else:
            expected = "forgotten" if is_old and self.has_expired else "healed"
        assert self._call(heal, [missed], retention=900_000) == [(expected, event_id)]
        if expected == "healed":
            self.inbox.arrive(identity, event_type, "healed")

    @rule(identity=IDENTITIES, event_type=TYPES, past=PASTS)
    def bring(self, identity: str, event_type: str, past: dict[str, str] | None) -> None:
        """Import an event of elsewhere, with how far its handlers came with it."""
        at, new = self.loop.run(server_time(self.store.redis)), arrival(identity, event_type)
        records = {name: RESULTS[state] for name, state in (past or {}).items()}
        event = ImportedEvent(identity, event_type, new.body, "webhook", at, 1, records)
        answers = self._call(import_events, [event], run_them=past is None, keep=60)
        assert answers == [self.inbox.bring(identity, event_type, past)]

    def _block(self, *, is_open: bool) -> None:
        if is_open:
            self._call(blocks.hold, BLOCK, detail="d", advice="a", interval=60)
        else:
            self._call(blocks.lift, BLOCK)
            self._call(blocks.release)

    @invariant()
    def everything_is_where_it_belongs(self) -> None:
        """Invariants 1 to 4: what is accepted is recorded, open events are queued, and the counters are right."""
        if not hasattr(self, "inbox"):
            return
        found = self._call(audit)
        assert found.clean, (found.contradictions, found.differences)
        counts = Counter({name: number for name, number in asdict(found.totals.counters).items() if number})
        accepted = counts.pop("accepted", 0)
        assert (accepted, counts) == (len(self.inbox.events), self.inbox.counts())

    @invariant()
    def each_event_is_as_its_steps_have_left_it(self) -> None:
        """Invariants 5, 6, 7 and 9: one lease, results and intents of its holder alone, each handler ends once."""
        if not hasattr(self, "inbox"):
            return
        records = {each.id: each for each in self._call(accept.find_all, sorted(self.inbox.events))}
        assert records.keys() == self.inbox.events.keys()
        for event_id, known in self.inbox.events.items():
            record = records[event_id]
            assert (record.state, record.body is not None) == (known.state, known.has_body), event_id
            if not known.is_pruned:
                ended = {name: each.state for name, each in record.handlers.items() if each.ended}
                assert ended == known.ended, event_id
            if known.effects:
                entries = self._call(effects_of, event_id)
                assert {each.name: each.state for each in entries} == known.effects, event_id

    def teardown(self) -> None:
        if hasattr(self, "loop"):
            self.loop.run(self.store.redis.aclose())
            self.loop.close()


def run(url: str, *, seed: int, examples: int, steps: int) -> None:
    chosen = settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    machine = type("Machine", (MaintainedInbox,), {"url": url})
    hypothesis.seed(seed)(get_state_machine_test(machine, settings=chosen))()


@pytest.mark.slow
def test_the_invariants_hold_in_any_order_of_steps(redis_url: str) -> None:
    run(redis_url, seed=1, examples=6, steps=25)


@pytest.mark.soak
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_invariants_hold_in_any_order_of_many_steps(redis_url: str, seed: int) -> None:
    run(redis_url, seed=seed, examples=250, steps=60)
