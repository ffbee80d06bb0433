"""Webhooks back: what they tell, how they are signed, how they are delivered."""

import time
from functools import partial
from typing import Any

import httpx
import pytest
import telnyx

from service.security.telnyx_signature import PublicKey, read_signature_headers
from service.testing.simulator import Simulator
from tests.testing.simulator.receiver import HANG, Receiver
from tests.testing.simulator.submission import SUBMISSION
from tests.waiting import wait_for

FROM, TO = "+13125550001", "+13125550002"


def _send(client: telnyx.Telnyx, **fields: Any) -> Any:
    return client.messages.send(**({"to": TO, "from_": FROM, "text": "Hi"} | fields)).data


def _send_rcs(client: telnyx.Telnyx, simulator: Simulator, **fields: Any) -> Any:
    message = {
        "agent_id": "acme_agent",
        "to": TO,
        "messaging_profile_id": simulator.account.profiles.default_id,
        "agent_message": {"content_message": {"text": "Hello"}},
    }
    return client.messages.rcs.send(**(message | fields)).data


@pytest.mark.parametrize(
    ("status", "types", "codes"),
    [
        ("delivered", ["message.sent", "message.finalized"], []),
        ("delivery_failed", ["message.sent", "message.finalized"], ["40008"]),
        ("sending_failed", ["message.finalized"], ["40001"]),
        ("delivery_unconfirmed", ["message.sent", "message.finalized"], []),
        ("expired", ["message.sent", "message.finalized"], ["40005"]),
        ("read", ["message.sent", "message.finalized", "message.read"], []),
    ],
)
def test_a_message_ends_as_scripted(
    sync_client: telnyx.Telnyx,
    simulator: Simulator,
    receiver: Receiver,
    status: Any,
    types: list[str],
    codes: list[str],
) -> None:
    simulator.set_outcome(TO, status)
    sent = _send_rcs(sync_client, simulator)
    events = receiver.take(len(types))
    assert [event.type for event in events] == types
    assert {event.payload["id"] for event in events} == {sent.id}
    assert events[-1].payload["to"][0]["status"] == status
    assert [error["code"] for error in events[-1].payload["errors"]] == codes
    assert events[-1].payload["completed_at"] is not None
    assert _status(sync_client, sent.id) == status


def _status(client: telnyx.Telnyx, message_id: str) -> str | None:
    """The status of a message's first recipient, as Telnyx shows it."""
    message = client.messages.retrieve(message_id).data
    assert message is not None
    assert isinstance(message.to, list)
    return message.to[0].status


@pytest.mark.parametrize("status", ["sent", "queued"])
def test_a_message_can_stay_on_its_way_for_ever(
    sync_client: telnyx.Telnyx, simulator: Simulator, receiver: Receiver, status: Any
) -> None:
    simulator.set_outcome("*", status)
    sent = _send(sync_client)
    simulator.advance(86400)
    simulator.receive(sender=TO, to=FROM, text="Hello?")
    told = ["message.received", "message.sent"] if status == "sent" else ["message.received"]
    assert sorted(receiver.take_types(len(told))) == told
    wait_for(lambda: simulator.background.under_way == 0)
    assert receiver.arrived.empty()
    assert _status(sync_client, sent.id) == status


def test_rcs_can_fail_where_sms_succeeds(sync_client: telnyx.Telnyx, simulator: Simulator, receiver: Receiver) -> None:
    simulator.set_outcome(TO, "delivery_failed", type="RCS")
    _send_rcs(sync_client, simulator)
    assert receiver.take(2)[1].payload["to"][0]["status"] == "delivery_failed"
    _send(sync_client)
    assert receiver.take(2)[1].payload["to"][0]["status"] == "delivered"


def test_errors_can_be_scripted(sync_client: telnyx.Telnyx, simulator: Simulator, receiver: Receiver) -> None:
    simulator.set_outcome(TO, "delivery_failed", errors=[{"code": "40003", "title": "Blocked as spam"}])
    _send(sync_client)
    assert receiver.take(2)[1].payload["errors"] == [{"code": "40003", "title": "Blocked as spam"}]


def test_an_outcome_can_come_later(sync_client: telnyx.Telnyx, simulator: Simulator, receiver: Receiver) -> None:
    simulator.set_outcome(TO, "delivered", after=600)
    _send(sync_client)
    assert receiver.take_types(1) == ["message.sent"]
    assert receiver.arrived.empty()
    simulator.advance(601)
    assert receiver.take_types(1) == ["message.finalized"]


@pytest.mark.parametrize("lifetime", ["ttl", "expire_time"])
def test_an_rcs_message_expires_at_the_end_of_its_life(
    sync_client: telnyx.Telnyx, simulator: Simulator, receiver: Receiver, lifetime: str
) -> None:
    simulator.clock.set(1_800_000_000.0)
    simulator.set_outcome(TO, "expired")
    life = {"ttl": "90.5s"} if lifetime == "ttl" else {"expire_time": "2027-01-15T08:01:30Z"}
    _send_rcs(sync_client, simulator, agent_message={"content_message": {"text": "Hello"}} | life)
    assert receiver.take_types(1) == ["message.sent"]
    simulator.advance(60)
    assert receiver.arrived.empty()
    simulator.advance(31)
    assert receiver.take(1)[0].payload["to"][0]["status"] == "expired"


@pytest.mark.parametrize(
    ("text", "autoresponse_type"), [("stop", "STOP"), ("START", "START"), ("help", "HELP"), ("Stop it", None)]
)
def test_an_inbound_message_says_whether_telnyx_answered_it(
    simulator: Simulator, receiver: Receiver, text: str, autoresponse_type: str | None
) -> None:
    message = simulator.receive(sender=TO, to=FROM, text=text)
    (received,) = receiver.take()
    assert received.type == "message.received"
    assert received.payload.get("autoresponse_type") == autoresponse_type
    assert (received.payload["id"], received.payload["text"]) == (message.id, text)
    assert received.payload["to"][0]["phone_number"] == FROM


@pytest.mark.parametrize(
    "body",
    [
        {"text": "Hello"},
        {"location": {"latitude": 38.25, "longitude": -85.78}},
        {"suggestion_response": {"text": "Yes", "postback_data": "eWVz"}},
        {"user_file": {"payload": {"file_name": "cat.jpg", "mime_type": "image/jpeg"}, "thumbnail": {}}},
    ],
)
def test_an_inbound_rcs_message_goes_to_its_agent(
    sync_client: telnyx.Telnyx, simulator: Simulator, receiver: Receiver, body: dict[str, Any]
) -> None:
    sync_client.messaging.rcs.agents.update("acme_agent", webhook_url=f"{receiver.address}/agent")
    simulator.receive(sender=TO, to="acme_agent", type="RCS", body=body)
    (received,) = receiver.take()
    assert received.path == "/agent"
    assert received.payload["to"] == [{"agent_id": "acme_agent", "agent_name": "Acme"}]
    assert (received.payload["type"], received.payload["body"]) == ("RCS", body)


def test_every_webhook_is_signed_with_the_simulators_key(simulator: Simulator, receiver: Receiver) -> None:
    simulator.receive(sender=TO, to=FROM, text="Grüße")
    simulator.advance(86400)
    simulator.receive(sender=TO, to=FROM, text="Später")
    key = PublicKey.parse(simulator.public_key)
    for received in receiver.take(2):
        headers = [(name.encode(), value.encode()) for name, value in received.headers.items()]
        assert read_signature_headers(headers, time.time()).prove(received.body, [key]) == key
        assert received.headers["user-agent"] == "telnyx-webhooks"


def test_the_official_sdk_unwraps_a_webhook(
    sync_client: telnyx.Telnyx, simulator: Simulator, receiver: Receiver
) -> None:
    _send(sync_client)
    received = receiver.take(2)[1]
    unwrap: Any = sync_client.webhooks.unwrap
    event = unwrap(received.body.decode(), headers=received.headers, key=simulator.public_key)
    assert event.data.event_type == "message.finalized"
    assert [to.status for to in event.data.payload.to] == ["delivered"]


def test_another_seed_has_another_key() -> None:
    assert Simulator(seed=1).public_key == Simulator(seed=1).public_key != Simulator(seed=2).public_key


def test_an_event_keeps_its_id_from_attempt_to_attempt_and_meta_counts(
    simulator: Simulator, receiver: Receiver
) -> None:
    receiver.answers["/webhooks"].extend([500, 302])
    simulator.receive(sender=TO, to=FROM, text="Hello")
    _retry(simulator, 3)
    attempts = receiver.take(3)
    assert len({attempt.json["data"]["id"] for attempt in attempts}) == 1
    assert [attempt.json["meta"] for attempt in attempts] == [
        {"attempt": number, "delivered_to": receiver.url} for number in (1, 2, 3)
    ]
    (delivery,) = simulator.account.webhook_deliveries
    assert (delivery.status, [attempt.status for attempt in delivery.attempts]) == (
        "delivered",
        ["failed", "failed", "delivered"],
    )


def _retry(simulator: Simulator, attempts: int) -> None:
    """Let the time between attempts pass, until so many have been made."""
    for number in range(1, attempts + 1):
        wait_for(partial(_attempted, simulator, number))
        simulator.advance(10)


def _attempted(simulator: Simulator, number: int) -> bool:
    return any(len(delivery.attempts) >= number for delivery in simulator.account.webhook_deliveries)


def test_after_three_attempts_the_failover_url_is_tried_three_times(
    sync_client: telnyx.Telnyx, simulator: Simulator, receiver: Receiver
) -> None:
    profile_id = simulator.account.profiles.default_id
    sync_client.messaging_profiles.update(profile_id, webhook_failover_url=receiver.failover_url)
    receiver.answers["/webhooks"].extend([503, 404, 500, 200])
    receiver.answers["/failover"].extend([500, 500, 500, 200])
    simulator.receive(sender=TO, to=FROM, text="Hello")
    _retry(simulator, 6)
    assert [attempt.path for attempt in receiver.take(6)] == ["/webhooks"] * 3 + ["/failover"] * 3
    (delivery,) = sync_client.webhook_deliveries.list().data
    assert delivery.status == "failed"
    answers = [attempt.http.response for attempt in delivery.attempts or [] if attempt.http]
    assert [each and each.status for each in answers] == [500, 500, 500, 500, 404, 503]
    assert receiver.arrived.empty()


def test_the_failover_url_ends_the_attempts_when_it_answers(
    sync_client: telnyx.Telnyx, simulator: Simulator, receiver: Receiver
) -> None:
    profile_id = simulator.account.profiles.default_id
    sync_client.messaging_profiles.update(profile_id, webhook_failover_url=receiver.failover_url)
    receiver.answers["/webhooks"].extend([500, 500, 500])
    simulator.receive(sender=TO, to=FROM, text="Hello")
    _retry(simulator, 4)
    assert receiver.take(4)[3].path == "/failover"
    assert [delivery.status for delivery in simulator.account.webhook_deliveries] == ["delivered"]


def test_a_receiver_that_takes_too_long_has_failed(simulator: Simulator, receiver: Receiver) -> None:
    assert simulator.poster.deadline == 2.0
    simulator.poster.deadline = 0.1
    receiver.answers["/webhooks"].append(HANG)
    simulator.receive(sender=TO, to=FROM, text="Hello")
    _retry(simulator, 2)
    (delivery,) = simulator.account.webhook_deliveries
    assert [attempt.exchange.status for attempt in delivery.attempts] == [None, 200]
    assert "response" not in delivery.as_json()["attempts"][-1]["http"]


@pytest.mark.parametrize("dead", ["http://127.0.0.1:1/hook", "http://[broken"])
def test_a_receiver_that_cannot_be_reached_has_failed(
    sync_client: telnyx.Telnyx, simulator: Simulator, dead: str
) -> None:
    sync_client.messaging_profiles.update(simulator.account.profiles.default_id, webhook_url=dead)
    simulator.receive(sender=TO, to=FROM, text="Hello")
    wait_for(lambda: len(simulator.account.webhook_deliveries) == 1)
    assert [delivery.status for delivery in simulator.account.webhook_deliveries] == ["failed"]


def test_the_urls_of_a_message_come_before_those_of_its_profile(
    sync_client: telnyx.Telnyx, simulator: Simulator, receiver: Receiver
) -> None:
    _send(sync_client, webhook_url=f"{receiver.address}/own")
    assert {event.path for event in receiver.take(2)} == {"/own"}
    _send(sync_client, use_profile_webhooks=False)
    _send(sync_client)
    assert {event.path for event in receiver.take(2)} == {"/webhooks"}
    wait_for(lambda: len(simulator.account.webhook_deliveries) == 4)


def test_messages_of_an_unknown_profile_are_told_of_at_the_simulators_own_url(
    sync_client: telnyx.Telnyx, receiver: Receiver
) -> None:
    sent = _send(sync_client, messaging_profile_id="e1f2", from_=telnyx.omit)
    assert {(event.path, event.payload["id"]) for event in receiver.take(2)} == {("/webhooks", sent.id)}


def _order(client: telnyx.Telnyx, simulator: Simulator) -> str:
    profile_id = simulator.account.profiles.default_id
    order = client.messaging_hosted_number_orders.create(messaging_profile_id=profile_id, phone_numbers=[FROM]).data
    assert order is not None
    return str(order.id)


@pytest.mark.parametrize(
    "status",
    [
        "provisioning",
        "successful",
        "failed",
        "carrier_rejected",
        "compliance_review_failed",
        "incomplete_documentation",
        "incorrect_billing_information",
        "ineligible_carrier",
        "loa_file_invalid",
        "loa_file_successful",
    ],
)
def test_each_step_of_a_hosted_order_is_told(
    sync_client: telnyx.Telnyx, simulator: Simulator, receiver: Receiver, status: str
) -> None:
    order_id = _order(sync_client, simulator)
    simulator.move_order(order_id, status=status)
    updated = receiver.take(2)[1]
    assert updated.type == "messaging_hosted_numbers_orders.updated"
    assert (updated.payload["order_id"], updated.payload["order_status"]) == (order_id, status)
    assert updated.payload["profile_id"] == simulator.account.profiles.default_id
    assert updated.payload["numbers"] == [{"value": FROM, "status": "pending"}]


def test_an_internal_transfer_that_nobody_decides_is_approved_after_72_hours(
    sync_client: telnyx.Telnyx, simulator: Simulator, receiver: Receiver
) -> None:
    order_id = _order(sync_client, simulator)
    simulator.transfer_order(order_id, step="detected")
    simulator.transfer_order(order_id, step="approval_requested")
    requested = receiver.take(3)[2]
    assert requested.type == "messaging_hosted_numbers_orders.internal_transfer_approval_requested"
    assert requested.payload["decision"] == "pending"
    left = requested.payload["approval_deadline"] - simulator.clock.now()
    assert left == pytest.approx(72 * 3600, abs=30)
    simulator.advance(72 * 3600)
    approved = receiver.take()[0]
    assert approved.type == "messaging_hosted_numbers_orders.internal_transfer_auto_approved"
    assert approved.payload["decision"] == "approved"


@pytest.mark.parametrize("step", ["approved", "rejected"])
def test_an_internal_transfer_that_was_decided_stays_so(
    sync_client: telnyx.Telnyx, simulator: Simulator, receiver: Receiver, step: str
) -> None:
    order_id = _order(sync_client, simulator)
    simulator.transfer_order(order_id, step="approval_requested")
    simulator.transfer_order(order_id, step=step)
    decided = receiver.take(3)[2]
    assert decided.type == f"messaging_hosted_numbers_orders.internal_transfer_{step}"
    assert (decided.payload["decision"], decided.payload["approval_deadline"]) == (step, None)
    simulator.advance(73 * 3600)
    wait_for(lambda: simulator.background.under_way == 0)
    assert receiver.arrived.empty()


def test_a_hosted_order_can_be_told_of_in_the_older_form(
    sync_client: telnyx.Telnyx, simulator: Simulator, receiver: Receiver
) -> None:
    order_id = _order(sync_client, simulator)
    simulator.transfer_order(order_id, step="approved", shape="older")
    simulator.move_order(order_id, status="failed", shape="older")
    transfer, failed = receiver.take(3)[1:]
    assert transfer.type == failed.type == "messaging_hosted_numbers_orders.updated"
    assert transfer.payload["approval_decision"] == "approved"
    assert set(failed.json) == {"data"}
    assert set(failed.json["data"]) == {"event_type", "payload"}


@pytest.mark.parametrize(
    "shape",
    [
        "toll_free_verification.status_update",
        "verification_request.status_updated",
        "toll_free_verification.updated",
        "messaging_profile.toll_free_verification.updated",
    ],
)
def test_a_decision_on_a_toll_free_request_is_told_in_each_shape(
    sync_client: telnyx.Telnyx, simulator: Simulator, receiver: Receiver, shape: str
) -> None:
    requests = sync_client.messaging_tollfree.verification.requests
    request = requests.create(**(SUBMISSION | {"webhook_url": f"{receiver.address}/verification"}))
    simulator.decide(request.id, status="Rejected", reason="No consent", shape=shape)
    (decision,) = receiver.take()
    assert (decision.path, decision.type, decision.payload["id"]) == ("/verification", shape, request.id)
    told = {"status": "rejected", "rejectionReason": "No consent"}
    if shape != "toll_free_verification.status_update":
        told = {"verificationStatus": "Rejected", "reason": "No consent"}
    assert decision.payload.items() >= told.items()


def test_a_decision_is_told_nowhere_but_at_the_requests_own_url(
    sync_client: telnyx.Telnyx, simulator: Simulator, receiver: Receiver
) -> None:
    requests = sync_client.messaging_tollfree.verification.requests
    silent = requests.create(**SUBMISSION)
    simulator.decide(silent.id, status="Verified")
    loud = requests.create(
        **(SUBMISSION | {"phone_numbers": [{"phone_number": "+18775550009"}]}), webhook_url=receiver.url
    )
    simulator.decide(loud.id, status="Verified", shape=None)
    wait_for(lambda: simulator.background.under_way == 0)
    assert receiver.arrived.empty()


def test_a_reset_calls_off_everything_under_way(
    sync_client: telnyx.Telnyx, simulator: Simulator, receiver: Receiver, http: httpx.Client
) -> None:
    simulator.set_outcome(TO, "delivered", after=60)
    _send(sync_client)
    receiver.take()
    http.post("/_simulator/reset")
    simulator.advance(3600)
    simulator.receive(sender=TO, to=FROM, text="Hello")
    assert receiver.take_types(1) == ["message.received"]
    assert len(simulator.account.messages) == 1
