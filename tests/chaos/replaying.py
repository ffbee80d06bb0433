"""Walks of the model, taken by the real scripts."""

from dataclasses import dataclass, replace
from typing import Any, Self

from service.store.effects import ledger
from service.store.effects.ledger import StoredAnswer
from service.store.facts import consent
from service.store.facts.message_states import SendConditions
from service.store.inbox import accept
from service.store.inbox.handler_records import HandlerRecord
from service.store.inbox.leases import (
    ClaimRequest,
    HandlerResults,
    HeldLease,
    Lease,
    announce_stop,
    claim,
    finish,
    renewal,
)
from service.store.inbox.records import EventRecord
from tests.chaos.lease_state import LEASE, State, Step, name_of
from tests.pending import pending
from tests.store.half_way import T, World
from tests.store.half_way_scenarios import ENTRY, EVENT, NUMBER, STOP

TICK = 10_000
"""Milliseconds."""
SECONDS = LEASE * TICK / 1000
LEASE_FIELDS = ("lease", "lease_until", "lapses", "alone", "lapse_tokens")


@dataclass(frozen=True)
class Leased:
    """The lease of an event, its lapses, and when the event comes due. Times are ticks of the model's clock."""

    token: str
    until: float
    lapses: int
    alone: bool
    counted: frozenset[str]
    due: float | None

    @classmethod
    def said_by(cls, state: State) -> Self:
        """Return what the model says."""
        return cls(state.lease, state.lease_until, state.lapses, state.alone, state.counted, state.due)


def _tick(milliseconds: str | float) -> float:
    """Return the time on the model's clock, 0 where there is none."""
    return (float(milliseconds) - T) / TICK if milliseconds else 0


@dataclass
class Replay:
    """One walk. Each step answers what the model's answers."""

    world: World
    notes: int = 0

    async def take(self, step: Step, before: State) -> str:
        """Take a step, and return the answer of the real script in the model's words."""
        if step.name in ("crash", "send", "arrival"):
            return step.answer
        if step.name == "tick":
            self.world.redis.now += TICK
            return ""
        taken: str = await getattr(self, f"_{step.name}")(step, before)
        return taken

    async def record(self) -> EventRecord | None:
        return await accept.find(self.world.store, "one")

    async def lease(self) -> Leased:
        """Return what the record and the queue say of the lease and its lapses."""
        redis, keys = self.world.redis, self.world.keys
        found = await pending(redis.hmget(keys.event("one"), *LEASE_FIELDS))
        token, until, lapses, alone, counted = (each.decode() if each else "" for each in found)
        due = await redis.zscore(keys.queue, f"{keys.namespace}:one")
        return Leased(
            token=token,
            until=_tick(until),
            lapses=int(lapses or 0),
            alone=alone == "1",
            counted=frozenset(counted.split()),
            due=None if due is None else _tick(due),
        )

    async def entry(self) -> ledger.Entry | None:
        found = await ledger.read_entry(self.world.store, "one", ENTRY.name, "nobody")
        return found.entry

    async def _accept(self, step: Step, before: State) -> str:
        return str((await accept.accept(self.world.store, [EVENT]))[0].status)

    async def _record_consent(self, step: Step, before: State) -> str:
        await consent.record_consent(self.world.store, [STOP], now=self.world.redis.now / 1000)
        return ""

    async def _claim(self, step: Step, before: State) -> str:
        name, _, number = step.token.partition(":")
        request = ClaimRequest(name, int(number), SECONDS, 10, {"greet": ["*"]}, alone=True)
        return "leased" if (await claim(self.world.store, request)).leases else "nothing"

    async def _renew(self, step: Step, before: State) -> str:
        name, _, number = step.token.partition(":")
        held = [HeldLease("one", step.token)]
        words = renewal(name, held, lease=SECONDS, answered=int(number))
        return "lost" if await self.world.store.run("renew", *words) else ""

    async def _announce_stop(self, step: Step, before: State) -> str:
        await announce_stop(self.world.store, name_of(step.worker, before))
        return ""

    async def _effects(self, step: Step, before: State) -> str:
        found = await ledger.read_entry(self.world.store, "one", ENTRY.name, step.token)
        return "busy" if found.busy else found.entry.state if found.entry else ""

    async def _effect_begin(self, step: Step, before: State) -> str:
        entry = replace(ENTRY, version=before.workers[step.worker].version)
        again = before.workers[step.worker].unconfirmed > 0
        conditions = SendConditions((NUMBER,))
        begun: Any = await ledger.begin(
            self.world.store, await self._lease(step), entry, step.token, again=again, keep=9e5, conditions=conditions
        )
        return begun if isinstance(begun, str) else str(begun.reason)

    async def _effect_end(self, step: Step, before: State) -> str:
        outcome: Any = step.answer.partition(" ")[0]
        self.notes += 1
        answer = StoredAnswer(200 if outcome == "done" else 0, "application/json", b"{}")
        state, _ = await ledger.end(
            self.world.store, ENTRY.name, outcome, answer, sent_at=T, why="", note=f"note-{self.notes}"
        )
        return f"{outcome} {state}"

    async def _finish(self, step: Step, before: State) -> str:
        result: Any = step.answer.partition(" ")[0]
        handler = HandlerRecord(result, due=self.world.redis.now if result == "waiting" else 0)
        ends = HandlerResults.of(await self._lease(step), {"greet": handler}, release=True)
        return f"{result} {(await finish(self.world.store, [ends]))[0]}"

    async def _lease(self, step: Step) -> Lease:
        record = await self.record()
        assert record is not None
        return Lease(record, step.token, alone=False, claimed_at=T)
