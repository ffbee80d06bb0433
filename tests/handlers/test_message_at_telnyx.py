"""What Telnyx shows of a message right before the SMS in its place. It counts beside any other field."""

from typing import Any

import pytest

from handlers import router as built_in
from service.testing.simulator.messages.payload import payload as shown
from tests.handlers.test_sms_fallback import fallback, rcs_message
from tests.stack import Stack
from tests.telnyx_events import envelope, finalized_rcs, fresh_number
from tests.waiting import wait_for


def at_telnyx(stack: Stack, number: str, status: Any) -> str:
    """The id of an RCS message that has ended at the local Telnyx."""
    stack.simulator.set_outcome(number, status, type="RCS")
    message_id = rcs_message(stack, number, {"text": "Your table is ready"})
    wait_for(lambda: stack.simulator.account.messages.known(message_id).status == status)
    return message_id


SHOWN = "service.testing.simulator.messages.sending.payload"
ODD: list[dict[str, Any]] = [{"from": 5}, {"direction": ["outbound"]}, {"type": {"name": "RCS"}}]


def test_no_other_field_hides_a_delivery_that_only_telnyx_knows_of(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack.start_worker(built_in)
    for odd in ODD:
        message_id = at_telnyx(stack, number := fresh_number(), "delivered")
        monkeypatch.setattr(SHOWN, lambda message, odd=odd: {**shown(message), **odd})
        stack.deliver(event := envelope("message.finalized", finalized_rcs("delivery_failed", number, id=message_id)))
        assert fallback(stack.ended(event)) == ("done", "already_delivered"), odd


def test_an_answer_that_is_no_message_is_an_outage_and_no_word_for_an_sms(stack: Stack) -> None:
    message_id = at_telnyx(stack, number := fresh_number(), "delivered")
    stack.simulator.add_fault(kind="garbled", method="GET", path="/messages/*", times=1)
    stack.start_worker(built_in)
    stack.deliver(event := envelope("message.finalized", finalized_rcs("delivery_failed", number, id=message_id)))

    record = stack.ended(event)
    assert fallback(record) == ("done", "already_delivered")
    assert record.handlers["sms_fallback"].attempts == 0, "waiting for Telnyx costs none"
    assert [run.reason for run in record.handlers["sms_fallback"].runs] == ["telnyx_unreadable", "already_delivered"]


def test_the_text_that_telnyx_shows_goes_out_beside_any_other_field(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    message_id = at_telnyx(stack, number := fresh_number(), "delivery_failed")
    monkeypatch.setattr(SHOWN, lambda message: {**shown(message), "from": 5})
    stack.start_worker(built_in)
    payload = finalized_rcs("delivery_failed", number, text=None, id=message_id)
    stack.deliver(event := envelope("message.finalized", payload))

    assert fallback(stack.ended(event)) == ("done", None)
    assert [each.body["text"] for each in stack.sent_to(number) if each.path == "/messages"] == ["Your table is ready"]
