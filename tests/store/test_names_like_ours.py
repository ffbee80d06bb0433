"""What strangers write never passes for something of ours: hidden, sealed, or a number."""

from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from handlers import router as built_in
from service.store.facts.consent import opt_outs, opted_out
from service.store.server_checks import keys_missing_for_opt_outs
from service.store.store import Store
from tests.messages.whatsapp_replies import Replies
from tests.stack import SMS_FROM, Stack
from tests.telnyx_events import envelope, finalized_rcs, fresh_number, received_sms

MARKS = ["h:", "p:", "h:deadbeef:", "h:deadbeef:00", "sealed:", "clear:", "whatsapp:", "\x01rb1", "status:h:deadbeef:0"]
SENDERS = st.one_of(
    st.text(max_size=30),
    st.builds(str.__add__, st.sampled_from(MARKS), st.text("0123456789abcdef:+. ", max_size=40)),
    st.builds("h:{}:{}".format, st.text("0123456789abcdefABCDEF", min_size=8, max_size=8), st.text(max_size=5)),
)


@pytest.mark.parametrize("sender", MARKS)
def test_a_stop_from_a_sender_that_looks_hidden_silences_nobody(stack: Stack, sender: str) -> None:
    replies = Replies()
    stack.start_worker(replies.router)
    stop = envelope("message.received", received_sms(sender, "STOP"))
    asked = envelope("message.received", received_sms(fresh_number(), "Are you open?"))
    for event in (stop, asked):
        assert stack.deliver(event).status_code == 200
        assert stack.ended(event).state == "done"
    assert replies.told == [False, True]


@pytest.mark.parametrize("sender", MARKS)
def test_a_recipient_that_looks_hidden_holds_no_fallback_up(stack: Stack, sender: str) -> None:
    number = fresh_number()
    failure = envelope("message.finalized", finalized_rcs("delivery_failed", number))
    other = envelope("message.finalized", {**failure["data"]["payload"], "type": sender})
    other["data"]["payload"]["to"] = [{"phone_number": sender, "status": sender, "carrier": sender}]
    for event in (other, failure):
        assert stack.deliver(event).status_code == 200
    stack.start_worker(built_in, sms_from=SMS_FROM)
    assert stack.ended(failure).handlers["sms_fallback"].reason is None
    assert len(stack.sent_to(number)) == 1


@pytest.mark.slow
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sender=SENDERS)
@example(sender="h:deadbeef:")
def test_no_sender_makes_a_key_be_missed_or_stands_on_the_list_as_no_number(stack: Stack, sender: str) -> None:
    event = envelope("message.received", {**received_sms("+13125550101", "STOP"), "from": {"phone_number": sender}})

    async def told(store: Store) -> Any:
        listed = [each.number async for each in opt_outs(store)]
        return dict(await keys_missing_for_opt_outs(store)), listed, await opted_out(store, "+13125550198")

    assert stack.deliver(event).status_code == 200
    missing, listed, opted = stack.ask(told)
    assert (missing, opted) == ({}, False)
    assert all(number.lstrip("+").isdecimal() for number in listed)
