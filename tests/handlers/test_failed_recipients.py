"""Failures whose recipients or texts are odd."""

import json

from handlers import router as built_in
from service.testing.samples import sample
from tests.stack import Stack
from tests.telnyx_events import envelope, finalized_rcs, fresh_number


def test_recipients_without_a_number_are_passed_over(stack: Stack) -> None:
    number = fresh_number()
    event = sample("rcs.failed-for-several", number=number)
    stack.start_worker(built_in)
    stack.deliver(event)

    record = stack.ended(event)
    assert (record.state, record.handlers["sms_fallback"].reason) == ("done", None)
    posted = [each.body["to"] for each in stack.simulator.requests if each.method == "POST"]
    assert posted == [number]


def test_half_an_emoji_goes_out_as_a_replacement_character(stack: Stack) -> None:
    number = fresh_number()
    text = json.dumps(sample("rcs.failed-with-lone-surrogate", number=number))
    stack.start_worker(built_in)
    assert stack.deliver(text.encode()).status_code == 200

    assert stack.ended(json.loads(text)["data"]["id"]).handlers["sms_fallback"].reason is None
    [sms] = stack.sent_to(number)
    assert sms.body["text"] == "half \ufffd"


def test_a_number_that_json_holds_as_a_fraction_is_no_other_number(stack: Stack) -> None:
    number = fresh_number()
    to = [{"phone_number": float(number[1:]), "status": "delivery_failed"}]
    stack.start_worker(built_in)
    stack.deliver(event := envelope("message.finalized", finalized_rcs("delivery_failed", number, to=to)))

    assert stack.ended(event).handlers["sms_fallback"].reason is None
    assert [each.body["to"] for each in stack.simulator.requests if each.method == "POST"] == [number]


def test_a_message_to_thousands_is_accepted_and_gets_no_sms(stack: Stack) -> None:
    payload = finalized_rcs("delivery_failed", fresh_number())
    payload["to"] = [{"phone_number": f"+1312{n}", "status": "delivery_failed"} for n in range(2_000_000, 2_002_000)]
    stack.start_worker(built_in)
    event = envelope("message.finalized", payload)
    assert stack.deliver(event).status_code == 200

    record = stack.ended(event)
    assert (record.state, record.handlers["sms_fallback"].reason) == ("done", "too_many_recipients")
    assert [each for each in stack.simulator.requests if each.method == "POST"] == []
