"""Failures whose recipients or texts are odd."""

import json
from typing import Any

import pytest

from handlers import router as built_in
from handlers import sms_fallback
from service import Retry
from service.outbound.errors import Refusal
from service.outbound.gate import campaign_block, sender_digest
from service.outcome import Dead
from service.store.effects.blocks import hold, lift
from service.testing.samples import sample
from tests.stack import SMS_FROM, Stack
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


@pytest.mark.parametrize("place", [0, 1])
def test_a_block_of_one_recipient_holds_up_no_other(stack: Stack, place: int) -> None:
    blocked, free = fresh_number(), fresh_number()
    payload = finalized_rcs("delivery_failed", blocked)
    payload["to"] = [{"phone_number": free, "status": "delivery_failed", "carrier": "AT&T"}]
    payload["to"].insert(place, {"phone_number": blocked, "status": "delivery_failed", "carrier": "T-Mobile USA"})
    name = campaign_block(sender_digest(SMS_FROM, payload["messaging_profile_id"]), "T-Mobile")
    stack.ask(lambda store: hold(store, name, detail="suspended", advice="wait", interval=60))
    stack.start_worker(built_in)
    stack.deliver(event := envelope("message.finalized", payload))

    record = stack.when(event, lambda record: any(each.state == "parked" for each in record.handlers.values()))
    assert record.handlers["sms_fallback"].reason == "campaign"
    assert [len(stack.sent_to(each)) for each in (blocked, free)] == [0, 1]
    stack.ask(lambda store: lift(store, name))
    assert stack.ended(event).state == "done"
    assert [len(stack.sent_to(each)) for each in (blocked, free)] == [1, 1]


def test_a_send_of_unknown_fate_holds_up_no_other(stack: Stack) -> None:
    unknown, other = fresh_number(), fresh_number()
    payload = finalized_rcs("delivery_failed", unknown)
    payload["to"] = [{"phone_number": each, "status": "delivery_failed"} for each in (unknown, other)]
    stack.simulator.add_fault(kind="reset", when="after", path="/messages", recipient=unknown, times=1)
    stack.start_worker(built_in, resend="never")
    stack.deliver(event := envelope("message.finalized", payload))
    handler = stack.ended(event).handlers["sms_fallback"]
    assert (handler.state, handler.reason) == ("dead", "ambiguous")
    assert sorted(each.to for each in stack.simulator.account.messages) == sorted((unknown, other))


@pytest.mark.parametrize(
    ("soonest", "others"),
    [
        (Retry(after=5), [Refusal("later", "x", "x", 6.0), Refusal("held", "x", "x"), Dead("x", "x")]),
        (Refusal("later", "x", "x"), [Retry(after=1), Refusal("account", "x", "x"), Refusal("ambiguous", "x", "x")]),
        (Refusal("held", "x", "x"), [Dead("x", "x"), Refusal("ambiguous", "x", "x"), Refusal("hopeless", "x", "x")]),
    ],
    ids=["retry", "later", "held"],
)
def test_a_run_comes_as_soon_as_a_recipient_needs_one(soonest: Any, others: list[Any]) -> None:
    assert min([*others, soonest], key=sms_fallback._wait) is soonest


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
