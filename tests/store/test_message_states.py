"""The state of a message, by the real script: any order, any number of times, from several workers at once."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)
from redis.asyncio import Redis

from service.messages.state import REACHED, reason_against
from service.store.connection import connect
from service.store.keys import Keys
from service.store.message_states import Purpose, RecipientState, Said, merge

KEEP = 3600.0
RANK = {
    "a_new_one": 0,
    "queued": 1,
    "sending": 2,
    "sent": 3,
    "delivery_unconfirmed": 4,
    "expired": 5,
    "sending_failed": 6,
    "delivery_failed": 7,
    "delivered": 8,
    "read": 9,
}
FAILED = frozenset({"delivery_failed", "sending_failed", "expired"})
ANN, BOB = "+13125550101", "+13125550102"
WORKERS = 3


class Workers:
    """Connections of several workers to the state of one message."""

    def __init__(self, url: str) -> None:
        self.runner = asyncio.Runner()
        self.connections = [connect(url, timeout=5, connections=1) for _ in range(WORKERS)]
        self.keys = Keys(f"t{uuid4().hex[:12]}")

    def ask(
        self,
        said: list[Said],
        *,
        at: float = 1.0,
        worker: int = 0,
        message: str = "m",
        purpose: Purpose = "note",
        by: str = "",
        message_type: str = "RCS",
    ) -> dict[str, RecipientState]:
        merging = merge(
            self.connections[worker],
            self.keys,
            message,
            said,
            keep=KEEP,
            purpose=purpose,
            by=by,
            at=at,
            message_type=message_type,
        )
        return self.runner.run(merging)

    def ledger_says(self, effect: str, state: str) -> None:
        """Write what the ledger would."""
        name = f"{self.keys.namespace}:effect:{effect}"
        self.runner.run(_set(self.connections[0], name, state))

    def stored(self, message: str) -> dict[bytes, bytes]:
        return self.runner.run(_get(self.connections[0], f"{self.keys.namespace}:message:{message}"))

    def close(self) -> None:
        for connection in self.connections:
            self.runner.run(connection.aclose())
        self.runner.close()


async def _set(redis: "Redis", name: str, state: str) -> None:
    await redis.hset(name, "state", state)  # type: ignore[misc]


async def _get(redis: "Redis", name: str) -> dict[bytes, bytes]:
    return await redis.hgetall(name)  # type: ignore[misc, no-any-return]


@pytest.fixture(scope="module")
def url(redis_url: str) -> str:
    return redis_url


@dataclass(frozen=True)
class Attempt:
    """One run of the fallback for one event and one recipient, and how far it is."""

    event: str
    number: str
    worker: int
    done: str


class Interleavings(RuleBasedStateMachine):
    """Workers that take turns at any step, die at any step and begin again; the model is what Telnyx saw."""

    url: str
    attempts: Bundle[Attempt] = Bundle("attempts")

    def __init__(self) -> None:
        super().__init__()
        self.workers = Workers(self.url)
        self.heard: dict[str, str] = {}
        self.begun: dict[str, set[str]] = {ANN: set(), BOB: set()}
        self.sent: set[str] = set()
        self.doubled: dict[str, int] = {ANN: 0, BOB: 0}

    @initialize(target=attempts)
    def several_workers_hear_of_a_failure_at_once(self) -> MultipleResults[Attempt]:
        self.heard[ANN] = "expired"
        said = [Said(ANN, "expired", effect=f"sms-{ANN}")]
        for worker in range(WORKERS):
            state = self._told(self.workers.ask(said, worker=worker, by=f"event-{worker}"))[ANN]
            assert reason_against(state) is None
        return multiple(*(Attempt(f"event-{worker}", ANN, worker, "noted") for worker in range(WORKERS)))

    @rule(
        target=attempts,
        statuses=st.dictionaries(
            st.sampled_from([ANN, BOB]), st.sampled_from([*sorted(FAILED), *sorted(RANK)]), min_size=1
        ),
        event=st.integers(0, 3),
        worker=st.integers(0, WORKERS - 1),
    )
    def an_event_arrives(self, statuses: dict[str, str], event: int, worker: int) -> MultipleResults[Attempt]:
        """Any event, in any order, any number of times; those that tell of a failure ask for the right to send."""
        for number, status in statuses.items():
            self.heard[number] = max(self.heard.get(number, status), status, key=lambda each: (RANK[each], each))
        by = f"event-{event}"
        said = [Said(number, status, effect=f"sms-{number}") for number, status in statuses.items()]
        states = self._told(self.workers.ask(said, worker=worker, by=by))
        failed = [number for number, status in statuses.items() if status in FAILED]
        return multiple(
            *(Attempt(by, number, worker, "noted") for number in failed if reason_against(states[number]) is None)
        )

    @rule(target=attempts, attempt=consumes(attempts))
    def a_worker_goes_on(self, attempt: Attempt) -> Attempt | MultipleResults[Attempt]:
        """Take the right; write the intent and send; note that it was sent."""
        if attempt.done == "noted":
            known = self.heard[attempt.number]
            state = self._asked(attempt, "take")
            assert state.status == known
            if reason_against(state) is not None:
                return multiple()
            if not self.begun[attempt.number]:
                assert known not in REACHED, "the right was given although the message had been delivered"
            return Attempt(attempt.event, attempt.number, attempt.worker, "right")
        if attempt.done == "right":
            self.begun[attempt.number].add(attempt.event)
            self.workers.ledger_says(f"sms-{attempt.number}", "done")
            return Attempt(attempt.event, attempt.number, attempt.worker, "sent")
        self._asked(attempt, "sent")
        self.sent.add(attempt.number)
        return multiple()

    @rule(attempt=consumes(attempts))
    def a_worker_dies(self, attempt: Attempt) -> None:
        """Nothing goes on from here; the event may arrive again."""

    @invariant()
    def at_most_one_event_sends(self) -> None:
        assert all(len(events) <= 1 for events in self.begun.values())

    @invariant()
    def the_furthest_status_is_known(self) -> None:
        stored = self.workers.stored("m")
        assert {number: stored[f"status:{number}".encode()].decode() for number in self.heard} == self.heard

    @invariant()
    def a_double_delivery_is_told_once(self) -> None:
        for number, times in self.doubled.items():
            assert times == int(number in self.sent and self.heard.get(number) in REACHED)

    def _asked(self, attempt: Attempt, purpose: Purpose) -> RecipientState:
        said = [Said(attempt.number, effect=f"sms-{attempt.number}")]
        answer = self.workers.ask(said, worker=attempt.worker, by=attempt.event, purpose=purpose)
        return self._told(answer)[attempt.number]

    def _told(self, states: dict[str, RecipientState]) -> dict[str, RecipientState]:
        for number, state in states.items():
            self.doubled[number] += bool(state.doubled)
        return states

    def teardown(self) -> None:
        self.workers.close()


@pytest.mark.parametrize("examples", [30, pytest.param(400, marks=[pytest.mark.soak, pytest.mark.timeout(600)])])
def test_whoever_goes_on_when_there_is_one_sms_and_none_after_a_delivery(url: str, examples: int) -> None:
    machine = type("OnThisServer", (Interleavings,), {"url": url})
    limits = settings(
        max_examples=examples, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
    )
    run_state_machine_as_test(machine, settings=limits)


EVENTS = st.lists(
    st.tuples(st.sampled_from([ANN, BOB]), st.sampled_from(sorted(RANK)), st.sampled_from(["", "Carrier A", "B"])),
    min_size=1,
    max_size=8,
)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(events=EVENTS, data=st.data())
def test_any_order_and_repetition_comes_to_the_same_record(
    url: str, events: list[tuple[str, str, str]], data: st.DataObject
) -> None:
    workers = Workers(url)
    try:
        again = data.draw(st.lists(st.sampled_from(events)))
        shuffled = data.draw(st.permutations([*events, *again]))
        by = data.draw(st.lists(st.integers(0, WORKERS - 1), min_size=len(shuffled), max_size=len(shuffled)))
        for number, status, carrier in events:
            workers.ask([Said(number, status, carrier)], message="straight")
        for (number, status, carrier), worker in zip(shuffled, by, strict=True):
            workers.ask([Said(number, status, carrier)], message="shuffled", worker=worker)
        assert workers.stored("shuffled") == workers.stored("straight")
    finally:
        workers.close()


@pytest.fixture
def workers(url: str) -> Iterator[Workers]:
    opened = Workers(url)
    yield opened
    opened.close()


def one(workers: Workers, *, status: str = "", **asked: Any) -> RecipientState:
    return workers.ask([Said(ANN, status, effect="sms")], **asked)[ANN]


def test_the_right_stays_with_who_has_it_and_ends_with_a_delivery(workers: Workers) -> None:
    assert one(workers, by="a", purpose="take", status="expired").right == "granted"
    assert one(workers, by="b", purpose="take").right == "taken"
    assert one(workers, by="a", status="delivered").right == "granted"
    assert reason_against(one(workers, by="a", purpose="take")) == "already_delivered"


def test_no_right_is_taken_once_a_delivery_is_known(workers: Workers) -> None:
    one(workers, status="delivered")
    assert one(workers, by="a", purpose="take", status="expired").right == ""


def test_of_two_statuses_that_mean_nothing_to_us_the_same_one_stays(workers: Workers) -> None:
    for status in ("new_b", "new_a", "new_b", "new_c", "new_a"):
        one(workers, status=status)
    assert one(workers).status == "new_c"


def test_what_has_begun_is_gone_through_with_whatever_is_heard(workers: Workers) -> None:
    one(workers, by="a", purpose="take", status="expired")
    workers.ledger_says("sms", "started")
    assert reason_against(one(workers, by="a", status="delivered")) is None
    assert reason_against(one(workers, by="b")) == "already_delivered"
    for nothing_happened in ("withdrawn", "refused", "forgotten"):
        workers.ledger_says("sms", nothing_happened)
        assert reason_against(one(workers, by="a")) == "already_delivered"


def test_a_message_that_went_out_as_sms_by_itself_is_known_by_its_other_events(workers: Workers) -> None:
    assert reason_against(one(workers, by="a", status="delivery_failed")) is None
    one(workers, status="sent", message_type="SMS")
    assert reason_against(one(workers, by="a")) == "native_fallback"


def test_a_hold_is_counted_from_its_first_moment(workers: Workers) -> None:
    assert one(workers, by="a", status="expired").held is None
    assert one(workers, by="a", purpose="hold").held == 1.0
    assert one(workers, by="a", purpose="hold", at=2.0).held == 1.0
    assert one(workers, by="a").held == 1.0


def test_a_double_delivery_is_told_with_the_carrier_that_any_event_named(workers: Workers) -> None:
    workers.ask([Said(ANN, "delivery_failed", "T-MOBILE USA, INC.")])
    assert one(workers, by="a", purpose="sent").doubled == ""
    assert one(workers, status="read").doubled == "T-MOBILE USA, INC."
    assert one(workers, status="read").doubled == ""
