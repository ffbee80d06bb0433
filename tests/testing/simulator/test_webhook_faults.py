"""Webhooks that come twice, late, in another order, or not at all."""

from typing import Any

import pytest
import telnyx
from pydantic import ValidationError

from service.testing.simulator import Simulator
from service.testing.simulator.api.faults import ScriptedAnswers, WebhookFault
from service.testing.simulator.identifiers import Identifiers
from tests.testing.simulator.receiver import Receiver
from tests.waiting import wait_for

FROM, TO = "+13125550001", "+13125550002"


def _send(client: telnyx.Telnyx) -> None:
    client.messages.send(to=TO, from_=FROM, text="Hi")


def test_a_duplicate_is_the_same_event_again(
    sync_client: telnyx.Telnyx, simulator: Simulator, receiver: Receiver
) -> None:
    simulator.add_webhook_fault(kind="duplicate", event_type="message.sent")
    _send(sync_client)
    events = receiver.take(3)
    assert [event.type for event in events] == ["message.sent", "message.sent", "message.finalized"]
    assert events[0].json["data"] == events[1].json["data"]
    wait_for(lambda: len(simulator.account.webhook_deliveries) == 3)


def test_a_late_event_comes_after_its_time(
    sync_client: telnyx.Telnyx, simulator: Simulator, receiver: Receiver
) -> None:
    simulator.add_webhook_fault(kind="late", event_type="message.sent", seconds=300)
    _send(sync_client)
    assert receiver.take_types(1) == ["message.finalized"]
    assert receiver.arrived.empty()
    simulator.advance(301)
    assert receiver.take_types(1) == ["message.sent"]


def test_a_reordered_event_is_overtaken_by_the_next(
    sync_client: telnyx.Telnyx, simulator: Simulator, receiver: Receiver
) -> None:
    simulator.add_webhook_fault(kind="reordered")
    _send(sync_client)
    assert receiver.take_types(2) == ["message.finalized", "message.sent"]


def test_a_reordered_event_waits_for_another_however_long(simulator: Simulator, receiver: Receiver) -> None:
    simulator.add_webhook_fault(kind="reordered")
    simulator.receive(sender=TO, to=FROM, text="one")
    simulator.advance(3600)
    simulator.receive(sender=TO, to=FROM, text="two")
    assert [event.payload["text"] for event in receiver.take(2)] == ["two", "one"]


def test_a_lost_event_never_comes_and_leaves_no_record(
    sync_client: telnyx.Telnyx, simulator: Simulator, receiver: Receiver
) -> None:
    simulator.add_webhook_fault(kind="lost", event_type="*.finalized")
    _send(sync_client)
    assert receiver.take_types(1) == ["message.sent"]
    wait_for(lambda: simulator.background.under_way == 0)
    assert receiver.arrived.empty()
    assert [delivery.webhook["event_type"] for delivery in simulator.account.webhook_deliveries] == ["message.sent"]
    assert [message.status for message in simulator.account.messages] == ["delivered"]


@pytest.mark.parametrize(("kind", "statuses"), [("failed", ["failed"] * 3), ("answered", ["delivered"])])
def test_a_delivery_that_telnyx_gave_up_or_saw_answered_never_comes_and_has_a_record(
    simulator: Simulator, receiver: Receiver, kind: str, statuses: list[str]
) -> None:
    simulator.add_webhook_fault(kind=kind)
    simulator.receive(sender=TO, to=FROM, text="one")
    simulator.advance(60)
    wait_for(lambda: simulator.background.under_way == 0)
    assert receiver.arrived.empty()
    [delivery] = simulator.account.webhook_deliveries
    assert (delivery.status, [each.status for each in delivery.attempts]) == (statuses[-1], statuses)


def test_a_fault_strikes_as_often_as_scripted(simulator: Simulator, receiver: Receiver) -> None:
    simulator.add_webhook_fault(kind="lost", times=2)
    for text in ("one", "two", "three"):
        simulator.receive(sender=TO, to=FROM, text=text)
    assert [event.payload["text"] for event in receiver.take()] == ["three"]


def test_a_rate_of_faults_is_the_same_for_the_same_seed() -> None:
    runs = []
    for seed in (1, 1, 2):
        faults: ScriptedAnswers[WebhookFault] = ScriptedAnswers(Identifiers(seed), "webhook fault")
        faults.add(WebhookFault(kind="lost", times=None, rate=0.5))
        runs.append([faults.take(lambda fault: fault.matches("message.sent")) is not None for _ in range(40)])
    assert runs[0] == runs[1] != runs[2]
    assert set(runs[0]) == {True, False}


def test_webhooks_do_not_change_which_requests_a_rate_of_faults_strikes() -> None:
    runs = []
    for webhooks in (0, 7):
        simulator = Simulator(seed=3)
        simulator.add_fault(times=None, rate=0.5)
        simulator.add_webhook_fault(kind="lost", times=None, rate=0.5)
        for _ in range(webhooks):
            simulator.receive(sender=TO, to=FROM, text="Hello")
        runs.append([simulator.faults.take(lambda _: True) is not None for _ in range(40)])
    assert runs[0] == runs[1]


@pytest.mark.parametrize("fields", [{"kind": "eaten"}, {"kind": "late", "rate": 7}, {"kind": "lost", "who": "me"}])
def test_a_fault_that_does_not_fit_is_refused(simulator: Simulator, fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        simulator.add_webhook_fault(**fields)
