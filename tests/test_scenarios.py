"""Through the front door: signed HTTP requests in, requests at the local Telnyx out."""

import copy

import pytest

from handlers import router as built_in
from service import Context, Event, Router
from service.events import Message
from tests.stack import SMS_FROM, Stack
from tests.telnyx_events import envelope, finalized_rcs, fresh_number, received_rcs, received_sms


def test_an_rcs_message_that_was_not_delivered_becomes_one_sms(stack: Stack) -> None:
    stack.start_worker(built_in)
    number = fresh_number()
    payload = finalized_rcs("delivery_failed", number)
    first = envelope("message.finalized", payload)

    assert stack.deliver(first).json() == {"status": "accepted"}

    record = stack.ended(first)
    assert record.state == "done"
    assert record.handlers["sms_fallback"].reason is None
    [sms] = stack.sent_to(number)
    assert sms.path == "/messages"
    assert sms.body == {
        "to": number,
        "from": SMS_FROM,
        "text": "Your table is ready",
        "messaging_profile_id": payload["messaging_profile_id"],
    }


def test_a_redelivery_and_a_second_failing_event_send_nothing_more(stack: Stack) -> None:
    stack.start_worker(built_in)
    number = fresh_number()
    first = envelope("message.finalized", finalized_rcs("delivery_failed", number))
    stack.deliver(first)
    stack.ended(first)
    again = copy.deepcopy(first)
    again["meta"]["attempt"] = 2

    assert stack.deliver(again).json() == {"status": "duplicate"}
    other = envelope("message.finalized", {**first["data"]["payload"]})
    assert stack.deliver(other).json() == {"status": "accepted"}

    record = stack.ended(other)
    assert (record.state, record.handlers["sms_fallback"].reason) == ("done", "already_sent")
    assert stack.recorded(first["data"]["id"]).deliveries == 2
    assert len(stack.sent_to(number)) == 1


@pytest.mark.parametrize("status", ["delivered", "sent"])
def test_a_message_that_did_not_fail_sends_nothing(stack: Stack, status: str) -> None:
    stack.start_worker(built_in)
    number = fresh_number()
    event = envelope("message.finalized", finalized_rcs(status, number))
    stack.deliver(event)

    assert stack.ended(event).handlers["sms_fallback"].reason == "not_failed"
    assert stack.simulator.requests == []


def test_delivered_known_first_forbids_the_fallback(stack: Stack) -> None:
    stack.start_worker(built_in)
    number = fresh_number()
    payload = finalized_rcs("delivery_failed", number)
    read = {**payload, "to": [{"phone_number": number, "status": "read"}]}
    for event in (envelope("message.read", read), failed := envelope("message.finalized", payload)):
        stack.deliver(event)
        stack.ended(event)

    assert stack.ended(failed).handlers["sms_fallback"].reason == "already_delivered"
    assert stack.simulator.requests == []


def test_the_failure_of_an_sms_is_nothing_to_fall_back_from(stack: Stack) -> None:
    stack.start_worker(built_in)
    event = envelope("message.finalized", finalized_rcs("delivery_failed", fresh_number(), type="SMS"))
    stack.deliver(event)

    assert stack.ended(event).handlers["sms_fallback"].reason == "not_rcs"


def test_an_unarmed_fallback_sends_nothing(stack: Stack) -> None:
    stack.start_worker(built_in, sms_from=None)
    event = envelope("message.finalized", finalized_rcs("delivery_failed", fresh_number()))
    stack.deliver(event)

    assert stack.ended(event).handlers["sms_fallback"].reason == "not_armed"
    assert stack.simulator.requests == []


def test_a_message_sent_more_than_an_hour_ago_is_too_old(stack: Stack) -> None:
    stack.start_worker(built_in)
    payload = finalized_rcs("expired", fresh_number(), sent_at="2026-01-01T00:00:00+00:00")
    event = envelope("message.finalized", payload)
    stack.deliver(event)

    assert stack.ended(event).handlers["sms_fallback"].reason == "too_old"


@pytest.mark.parametrize(("text", "reason"), [(None, "nothing_to_say"), ("x" * 919, "too_long")])
def test_what_cannot_be_said_in_an_sms_is_kept_for_a_person(stack: Stack, text: str | None, reason: str) -> None:
    stack.start_worker(built_in)
    event = envelope("message.finalized", finalized_rcs("delivery_failed", number := fresh_number(), text=text))
    stack.deliver(event)

    record = stack.ended(event)
    assert (record.state, record.handlers["sms_fallback"].reason) == ("dead", reason)
    assert stack.sent_to(number) == []


def test_each_failed_recipient_gets_an_sms_and_the_reached_one_none(stack: Stack) -> None:
    stack.start_worker(built_in)
    failed, reached, expired = fresh_number(), fresh_number(), fresh_number()
    payload = finalized_rcs("delivery_failed", failed)
    payload["to"] += [
        {"phone_number": reached, "status": "delivered"},
        {"phone_number": expired, "status": "expired"},
    ]
    event = envelope("message.finalized", payload)
    stack.deliver(event)

    assert stack.ended(event).state == "done"
    assert [len(stack.sent_to(number)) for number in (failed, reached, expired)] == [1, 0, 1]


def test_a_stop_forbids_the_fallback_until_start(stack: Stack) -> None:
    stack.start_worker(built_in)
    number = fresh_number()
    stop = envelope("message.received", received_sms(number, "Stop", autoresponse_type="STOP"))
    failed = envelope("message.finalized", finalized_rcs("delivery_failed", number))
    for event in (stop, failed):
        stack.deliver(event)
        stack.ended(event)
    assert stack.ended(failed).handlers["sms_fallback"].reason == "opted_out"

    start = envelope("message.received", received_sms(number, "start"))
    failed_later = envelope("message.finalized", finalized_rcs("delivery_failed", number))
    for event in (start, failed_later):
        stack.deliver(event)
        stack.ended(event)
    assert stack.ended(failed_later).handlers["sms_fallback"].reason is None
    assert len(stack.sent_to(number)) == 1


def _answering() -> Router:
    router = Router()

    @router.on("message.received")
    async def auto_reply(event: Event[Message], ctx: Context) -> None:
        if event.payload.autoresponse_type is None:
            await ctx.reply("Thanks, we will call you back.")

    return router


def test_ctx_reply_answers_an_sms_from_the_number_that_was_written_to(stack: Stack) -> None:
    stack.start_worker(_answering())
    number = fresh_number()
    event = envelope("message.received", received_sms(number, "Are you open?"))
    stack.deliver(event)

    assert stack.ended(event).state == "done"
    [answer] = stack.sent_to(number)
    assert (answer.path, answer.body["from"]) == ("/messages", "+13125550100")


def test_ctx_reply_answers_an_rcs_message_by_its_agent(stack: Stack) -> None:
    stack.start_worker(_answering())
    number = fresh_number()
    event = envelope("message.received", received_rcs(number, "Are you open?"))
    stack.deliver(event)

    assert stack.ended(event).state == "done"
    [answer] = stack.sent_to(number)
    assert answer.path == "/messages/rcs"
    assert answer.body["agent_id"] == "acme_agent"
    assert answer.body["agent_message"] == {"content_message": {"text": "Thanks, we will call you back."}}


@pytest.mark.parametrize("text", ["STOP", " stop. ", "Unsubscribe", "HELP", "start"])
def test_ctx_reply_never_answers_a_keyword(stack: Stack, text: str) -> None:
    stack.start_worker(_answering())
    event = envelope("message.received", received_sms(fresh_number(), text))
    stack.deliver(event)

    assert stack.ended(event).state == "done"
    assert stack.simulator.requests == []


def test_two_machines_do_not_answer_each_other_for_ever(stack: Stack) -> None:
    stack.start_worker(_answering())
    number = fresh_number()
    events = [envelope("message.received", received_sms(number, "I am a machine too")) for _ in range(12)]
    for event in events:
        stack.deliver(event)
    for event in events:
        stack.ended(event)

    assert len(stack.sent_to(number)) == 10
