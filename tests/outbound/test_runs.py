"""A handler's run: whether it may still act, and what overrides its result."""

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import anyio
import pytest

from service.outbound import handler_run_state as module
from service.outbound.errors import Refusal
from service.outbound.handler_run_state import HandlerEnded, Interrupted, Run, notified
from service.store.effects.rate_limits import Granted
from service.store.inbox.leases import LeaseLost
from tests.outbound.test_governor import sms
from tests.telnyx_events import fresh_number

FIRST, SECOND = Refusal("later", "first", "d"), Refusal("dead", "second", "d")  # type: ignore[arg-type] # any kind


@dataclass
class Gate:
    """A gate that answers one thing."""

    answer: Any
    refusal: Refusal | None = FIRST

    async def acquire(self, *_: Any, **asked: Any) -> Any:
        self.asked = asked
        return self.answer

    async def report(self, *_: Any, **reported: Any) -> Any:
        self.reported = reported
        return self.refusal


def run(answer: Any = None, *, leased: bool = True, **fields: Any) -> Run:
    lease: Any = SimpleNamespace(record=SimpleNamespace(id="event-1"))
    gate: Any = Gate(answer, fields.pop("refusal", FIRST))
    return Run(lease, "greet", lambda: leased, gate, **fields)


def test_a_run_goes_on_until_something_ends_it() -> None:
    run().check()
    with pytest.raises(HandlerEnded, match="the handler has ended"):
        run(ended=True, lease_lost=True, note=FIRST).check()
    with pytest.raises(Interrupted):
        run(note=FIRST).check()


@pytest.mark.parametrize("lost", [run(lease_lost=True, note=FIRST), run(leased=False)])
def test_without_its_lease_a_run_ends_and_says_so(lost: Run) -> None:
    with pytest.raises(LeaseLost):
        lost.check()
    assert lost.lease_lost


def test_the_first_of_several_refusals_counts() -> None:
    made = run()
    assert isinstance(made.interrupt(FIRST), Interrupted)
    made.interrupt(SECOND)
    assert made.note is FIRST
    assert isinstance(made.lose_lease(), LeaseLost)
    assert made.lease_lost


@pytest.mark.parametrize("calm", [True, False])
def test_a_call_that_may_go_says_whether_its_success_is_news(*, calm: bool) -> None:
    made = run(Granted(0.0, calm=calm), returning=True)
    assert anyio.run(made.acquire, sms()) is calm
    assert made.gate.asked == {"event_id": "event-1", "returning": True}  # type: ignore[attr-defined]


def test_a_call_that_may_not_go_ends_the_run() -> None:
    refused = run(FIRST)
    with pytest.raises(Interrupted):
        anyio.run(refused.acquire, sms())
    assert refused.note is FIRST
    # What the run is by then comes before the gate's answer.
    with pytest.raises(LeaseLost):
        anyio.run(run(Granted(0.0), leased=False).acquire, sms())


def test_an_answer_is_reported_for_the_event() -> None:
    made = run()

    async def report() -> Any:
        return await made.report(sms(), None, clear=True)

    assert anyio.run(report) is FIRST
    assert made.gate.reported == {"event_id": "event-1", "clear": True}  # type: ignore[attr-defined]


def test_the_gate_is_open_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: 10.0))
    assert run(clear_until=10.5, began=0).gate_is_open
    assert not run(clear_until=10.0, began=0).gate_is_open
    assert not run(began=0).gate_is_open


def test_each_run_has_a_name_and_locks_of_its_own() -> None:
    first, second = run(), run()
    assert first.id == first.id != second.id
    assert first.locks["x"] is first.locks["x"] is not second.locks["x"]
    assert (first.absent, first.used, first.withdrawals) == (set(), {}, {})
    assert first.absent is first.absent is not second.absent


def test_a_remark_on_a_notice_is_short_and_hides_numbers() -> None:
    number = fresh_number()
    remark = notified(f"{number} {'x' * 200}")
    assert remark.startswith("notified a person: +")
    assert number not in remark
    assert len(remark) == len("notified a person: ") + 100
