"""Lease and ledger as a model: one event, two workers, a crash at each step, late requests and a clock.

Its steps bear the names of the scripts. Each answers what the script answers.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial

from tests.chaos.lease_state import (
    LEASE,
    POISON,
    SUSPECT,
    Bounds,
    Phase,
    Rules,
    State,
    Step,
    Worker,
    is_leased,
    name_of,
    token_of,
)


@dataclass(frozen=True)
class Model:
    """The steps from each state."""

    rules: Rules = field(default_factory=Rules)
    bounds: Bounds = field(default_factory=Bounds)

    def steps(self, state: State) -> Iterator[tuple[Step, State]]:
        """Yield each possible step, and where it leads."""
        if not state.event:
            yield Step("accept", -1, "accepted"), state._replace(event="open", due=state.clock)
            return
        if state.clock < self.bounds.ticks:
            yield Step("tick", -1, ""), state._replace(clock=state.clock + 1)
        if self.bounds.stops and not state.is_stopped:
            yield Step("record_consent", -1, ""), state._replace(is_stopped=True)
        for request in state.wire:
            yield self._arrival(state, request)
        for worker in (0, 1):
            yield from self._steps_of(state, worker)

    def _steps_of(self, state: State, number: int) -> Iterator[tuple[Step, State]]:
        worker, name = state.workers[number], name_of(number, state)
        successor = _with(state, number, Worker(life=worker.life + 1))
        if name in state.draining:
            yield Step("crash", number, ""), successor
        elif worker.phase == "idle":
            yield from self._claim(state, number)
        else:
            if len(state.draining) < self.bounds.drains:
                yield Step("announce_stop", number, ""), state._replace(draining=state.draining | {name})
            if state.crashes < self.bounds.crashes:
                yield Step("crash", number, ""), successor._replace(crashes=state.crashes + 1)
        if self.bounds.poison or worker.phase == "idle":
            return
        if worker.phase != "refused" and state.lease_until < state.clock + LEASE:
            yield self._renew(state, number)
        yield self._next(state, number, worker.phase)

    def _next(self, state: State, number: int, phase: Phase) -> tuple[Step, State]:
        steps: dict[str, Callable[[State, int], tuple[Step, State]]] = {
            "claimed": self._effects,
            "known": self._begin,
            "begun": self._send,
            "sent": partial(self._end, outcome="unknown"),
            "answered": partial(self._end, outcome="done"),
            "unanswered": partial(self._finish, result="waiting"),
            "refused": partial(self._finish, result="done"),
        }
        return steps[phase](state, number)

    def _claim(self, state: State, number: int) -> Iterator[tuple[Step, State]]:
        name, worker = name_of(number, state), state.workers[number]
        if (
            state.claims == self.bounds.claims
            or state.event != "open"
            or state.due is None
            or state.due > state.clock
            or state.lease.startswith(f"{name}:")
        ):
            return
        if state.lease and state.lease_until > state.clock:
            return
        after = self._lapsed(state) if state.lease else state
        claimed = worker._replace(number=worker.number + 1, phase="claimed")
        after = _with(after, number, claimed)._replace(claims=state.claims + 1)
        token = token_of(number, after)
        if after.event == "dead":
            yield Step("claim", number, "nothing", token), _with(after, number, worker._replace(number=claimed.number))
            return
        until = state.clock + LEASE
        due = until if self.rules.claim_moves_in_queue else None
        yield (
            Step("claim", number, "leased", token),
            after._replace(lease=token, lease_until=until, due=due, alone=after.lapses >= SUSPECT),
        )

    def _lapsed(self, state: State) -> State:
        name = state.lease.partition(":")[0]
        if state.lease not in state.counted and self.rules.lapses_count:
            vanished = min(POISON, state.vanished + (name not in state.draining))
            state = state._replace(counted=state.counted | {state.lease}, vanished=vanished)
            if name not in state.draining or not self.rules.announced_is_spared:
                state = state._replace(lapses=state.lapses + 1, lapsed=state.lapsed | {name})
        if state.alone and state.lapses >= POISON:
            state = state._replace(event="dead", due=None, ends=state.ends + 1)
        return state._replace(lease="", lease_until=0, alone=False)

    def _renew(self, state: State, number: int) -> tuple[Step, State]:
        token, name = token_of(number, state), name_of(number, state)
        ours = {each for each in state.counted if each.startswith(f"{name}:")}
        if name in state.lapsed and ours and state.lapses:
            state = state._replace(lapses=state.lapses - 1, counted=state.counted - ours)
        state = state._replace(lapsed=state.lapsed - {name})
        if state.lease != token:
            return Step("renew", number, "lost", token), _idle(state, number)
        until = state.clock + LEASE
        due = until if state.event == "open" else state.due
        return Step("renew", number, "", token), state._replace(lease_until=until, due=due)

    def _effects(self, state: State, number: int) -> tuple[Step, State]:
        token, worker = token_of(number, state), state.workers[number]
        busy = state.entry == "started" and state.run != token and is_leased(state, state.run)
        if busy:
            return Step("effects", number, "busy", token), _idle(state, number)
        seen = worker._replace(phase="known", version=state.version, unconfirmed=state.unconfirmed)
        if state.entry == "done" or (state.unconfirmed and not (self.bounds.keyed or self.rules.unkeyed_is_resent)):
            # Answered from the ledger, or ambiguous: nothing is sent.
            seen = seen._replace(phase="refused")
        elif not self.rules.intent_comes_first:
            seen = seen._replace(phase="begun")
        return Step("effects", number, state.entry, token), _with(state, number, seen)

    def _begin(self, state: State, number: int) -> tuple[Step, State]:
        token, worker = token_of(number, state), state.workers[number]
        if not is_leased(state, token):
            return Step("effect_begin", number, "lost", token), _idle(state, number)
        if state.version != worker.version:
            again = _with(state, number, worker._replace(phase="claimed"))
            return Step("effect_begin", number, "changed", token), again
        if state.is_stopped and self.rules.begin_asks_consent:
            return Step("effect_begin", number, "opted_out", token), _in(state, number, "refused")
        intent = state._replace(
            entry="started",
            version=state.version + 1,
            unconfirmed=state.unconfirmed + 1,
            run=token,
            late_intent=state.late_intent or state.is_stopped,
        )
        return Step("effect_begin", number, "begun", token), _in(intent, number, "begun")

    def _send(self, state: State, number: int) -> tuple[Step, State]:
        token = token_of(number, state)
        fresh = not self.bounds.keyed or not self.rules.resend_keeps_key
        request = (token, state.version if fresh else 0)
        sent = state._replace(wire=state.wire | {request})
        return Step("send", number, "", token), _in(sent, number, "sent")

    def _arrival(self, state: State, request: tuple[str, int]) -> tuple[Step, State]:
        token, key = request
        known = self.bounds.keyed and key in state.keys
        after = state._replace(
            wire=state.wire - {request}, keys=state.keys | {key}, effects=state.effects + (0 if known else 1)
        )
        for number in (0, 1):
            if token_of(number, state) == token and state.workers[number].phase == "sent":
                after = _in(after, number, "answered")
        return Step("arrival", -1, "replayed" if known else "done", token), after

    def _end(self, state: State, number: int, outcome: str) -> tuple[Step, State]:
        phase: Phase = "refused" if outcome == "done" else "unanswered"
        if state.entry == "started":
            state = state._replace(version=state.version + 1)
            if outcome == "done":
                state = state._replace(entry="done", unconfirmed=max(0, state.unconfirmed - 1))
        elif state.entry == "done":
            state = state._replace(version=state.version + 1)
        answer = state.entry or "gone"
        return Step("effect_end", number, f"{outcome} {answer}", token_of(number, state)), _in(state, number, phase)

    def _finish(self, state: State, number: int, result: str) -> tuple[Step, State]:
        token = token_of(number, state)
        if not is_leased(state, token) and self.rules.finish_asks_lease:
            return Step("finish", number, f"{result} lost", token), _idle(state, number)
        free = state._replace(lease="", lease_until=0, alone=False, lapses=0, counted=frozenset())
        if result == "waiting":
            return Step("finish", number, "waiting open", token), _idle(free._replace(due=state.clock), number)
        done = free._replace(event="done", due=None, ends=state.ends + 1)
        return Step("finish", number, "done done", token), _idle(done, number)


def _with(state: State, number: int, worker: Worker) -> State:
    first, second = state.workers
    return state._replace(workers=(worker, second) if number == 0 else (first, worker))


def _in(state: State, number: int, phase: Phase) -> State:
    return _with(state, number, state.workers[number]._replace(phase=phase))


def _idle(state: State, number: int) -> State:
    return _with(state, number, state.workers[number]._replace(phase="idle", version=0, unconfirmed=0))
