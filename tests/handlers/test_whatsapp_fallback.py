"""WhatsApp messages that did not arrive become an SMS where a rule of the policy says so, with a text of its own."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from handlers import router as built_in
from service.store.inbox.records import EventRecord
from service.testing.samples import payload_in, sample
from tests.cli.at_stack import run_at
from tests.messages.policies import write_policy
from tests.stack import SMS_FROM, Stack
from tests.telnyx_events import envelope, finalized_rcs, fresh_number, now, received_sms
from tests.waiting import wait_for

TEXT = "Your order has news"
RULE = f"""
    [[rules]]
    name = "whatsapp"
    channel = "whatsapp"
    from = "{SMS_FROM}"
    template = "{TEXT}"
    """
Start = Callable[..., Any]


@pytest.fixture
def start(stack: Stack, tmp_path: Path) -> Start:
    """A worker with the built-in handlers, under a policy."""
    return lambda policy: stack.start_worker(built_in, policy=write_policy(tmp_path, policy))


def ended_as(case: str, number: str, **changes: Any) -> Any:
    """The event of a message of now, as one of the samples."""
    body = sample(case, number=number)
    times = dict.fromkeys(("sent_at", "received_at", "completed_at"), now())
    return envelope(body["data"]["event_type"], {**payload_in(body), **times, **changes})


def fallback(record: EventRecord) -> tuple[str, str | None]:
    handler = record.handlers["sms_fallback"]
    return handler.state, handler.reason


def test_a_failed_message_becomes_one_sms_with_the_text_of_the_rule(stack: Stack, start: Start) -> None:
    start(RULE)
    number = fresh_number()
    first = ended_as("whatsapp.failed", number)
    again = envelope("message.finalized", first["data"]["payload"])
    for _ in range(2):
        stack.deliver(first)
    assert fallback(stack.ended(first)) == ("done", None)
    stack.deliver(again)
    assert fallback(stack.ended(again)) == ("done", "already_sent")
    [sms] = stack.sent_to(number)
    assert (sms.path, sms.body["from"], sms.body["text"]) == ("/messages", SMS_FROM, TEXT)
    assert sms.body["messaging_profile_id"] == first["data"]["payload"]["messaging_profile_id"]


@pytest.mark.parametrize(
    ("case", "triggers", "reason"),
    [
        ("whatsapp.failed", '["failed"]', None),
        ("whatsapp.no-account", '["failed"]', None),
        ("whatsapp.failed", '["window_closed"]', "not_failed"),
        ("whatsapp.window-closed", '["failed", "expired"]', "not_failed"),
        ("whatsapp.window-closed", '["window_closed"]', None),
        ("whatsapp.delivered", '["failed", "window_closed"]', "not_failed"),
        ("whatsapp.sent", '["failed", "window_closed"]', "not_failed"),
    ],
)
def test_a_closed_window_is_a_trigger_of_choice(
    stack: Stack, start: Start, case: str, triggers: str, reason: str | None
) -> None:
    start(f"{RULE}triggers = {triggers}\n")
    number = fresh_number()
    stack.deliver(body := ended_as(case, number))
    assert fallback(stack.ended(body)) == ("done", reason)
    assert len(stack.sent_to(number)) == (reason is None)


@pytest.mark.parametrize(
    "errors",
    [
        [{"code": "40008", "meta": {"error": {"code": 131047}}}],
        [{"code": "131047", "title": "Re-engagement message"}],
        [{"code": "41000", "detail": "(#131047) Re-engagement message"}],
    ],
)
def test_the_window_is_read_wherever_meta_s_code_stands(stack: Stack, start: Start, errors: Any) -> None:
    start(f'{RULE}triggers = ["window_closed"]\n')
    number = fresh_number()
    stack.deliver(body := ended_as("whatsapp.failed", number, errors=errors))
    assert fallback(stack.ended(body)) == ("done", None)
    assert len(stack.sent_to(number)) == 1


def test_who_hides_the_number_is_left_out_and_the_others_are_not(stack: Stack, start: Start) -> None:
    start(RULE)
    hidden = ended_as("whatsapp.failed-to-user-id", "")
    number = fresh_number()
    both = ended_as("whatsapp.failed", number)
    both["data"]["payload"]["to"].append({"phone_number": "US.13491208655302741918", "status": "delivery_failed"})
    for body in (hidden, both):
        stack.deliver(body)
    assert fallback(stack.ended(hidden)) == ("done", "no_number")
    assert fallback(stack.ended(both)) == ("done", None)
    sends = [each.body["to"] for each in stack.simulator.requests if each.method == "POST"]
    assert sends == [number]


def test_without_a_rule_for_it_whatsapp_never_falls_back(stack: Stack, start: Start) -> None:
    start(f'[[rules]]\nname = "rcs"\nfrom = "{SMS_FROM}"\n')
    number = fresh_number()
    stack.deliver(body := ended_as("whatsapp.failed", number))
    assert fallback(stack.ended(body)) == ("done", "not_rcs")
    assert stack.sent_to(number) == []


def test_a_rule_of_one_channel_is_none_of_the_other(stack: Stack, start: Start) -> None:
    start(RULE)
    number = fresh_number()
    stack.deliver(body := envelope("message.finalized", finalized_rcs("delivery_failed", number)))
    assert fallback(stack.ended(body)) == ("done", "no_rule")


def test_a_message_that_is_not_delivered_in_time_falls_back_and_a_delivered_one_does_not(
    stack: Stack, start: Start
) -> None:
    start(f'{RULE}undelivered_after = "10s"\n')
    late, fine = fresh_number(), fresh_number()
    ago = datetime.now(UTC) - timedelta(seconds=11)
    for number in (late, fine):
        sent = ended_as("whatsapp.sent", number, id=f"message-{number}")
        sent["data"]["payload"] |= {"sent_at": ago.isoformat()}
        if number == fine:
            stack.deliver(delivered := ended_as("whatsapp.delivered", number, id=f"message-{number}"))
            stack.ended(delivered)
        stack.deliver(sent)
        stack.ended(sent)
    wait_for(lambda: stack.sent_to(late))
    assert (len(stack.sent_to(late)), stack.sent_to(fine)) == (1, [])


@pytest.mark.parametrize("case", ["whatsapp.delivered", "whatsapp.read"])
def test_what_has_arrived_never_falls_back_in_whatever_order(stack: Stack, start: Start, case: str) -> None:
    start(RULE)
    number = fresh_number()
    arrived = ended_as(case, number, id="one-message")
    failed = ended_as("whatsapp.failed", number, id="one-message")
    stack.deliver(arrived)
    stack.deliver(failed)
    assert fallback(stack.ended(failed)) == ("done", "already_delivered")
    assert stack.sent_to(number) == []


def test_a_stop_holds_for_it(stack: Stack, start: Start) -> None:
    start(RULE)
    number = fresh_number()
    stack.deliver(stop := envelope("message.received", received_sms(number, "STOP")))
    stack.ended(stop)
    stack.deliver(body := ended_as("whatsapp.failed", number))
    assert fallback(stack.ended(body)) == ("done", "opted_out")
    assert stack.sent_to(number) == []


def test_the_text_of_a_plain_message_is_there_for_the_template(stack: Stack, start: Start) -> None:
    start(RULE.replace(TEXT, "Acme: {{ text }}"))
    number = fresh_number()
    stack.deliver(body := ended_as("whatsapp.failed", number))
    stack.ended(body)
    assert [each.body["text"] for each in stack.sent_to(number)] == ["Acme: Your table is ready"]


@pytest.mark.parametrize(
    ("case", "verdict", "why"),
    [
        ("whatsapp.failed", "send", "the message is failed"),
        ("whatsapp.window-closed", "nothing", "a closed window is no occasion"),
        ("whatsapp.failed-to-user-id", "nothing", "the recipient has no number"),
        ("whatsapp.sent", "nothing", "sent is no occasion"),
    ],
)
def test_explain_knows_it(stack: Stack, tmp_path: Path, case: str, verdict: str, why: str) -> None:
    event = tmp_path / "event.json"
    event.write_text(json.dumps(ended_as(case, "+13125550401")))
    ran = run_at(stack, "policy", "explain", str(event), "--policy", str(write_policy(tmp_path, RULE)), "--json")
    [told] = json.loads(ran.stdout)
    assert (told["verdict"], why in told["why"]) == (verdict, True), told
