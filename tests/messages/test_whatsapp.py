"""WhatsApp is answered by WhatsApp or not at all, and a channel that nobody knows by none."""

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest

from handlers import router as built_in
from service.events import Message
from service.store.facts.consent import opt_outs, opted_out
from service.store.store import Store
from service.testing.samples import sample
from tests.messages.whatsapp_replies import ANSWER, USER, Replies, answered, hidden_sender, sends, wrote
from tests.stack import SMS_FROM, Stack
from tests.telnyx_events import envelope, fresh_number, received_sms


def in_the_past(event: Any, **ago: float) -> Any:
    at = (datetime.now(UTC) - timedelta(**ago)).isoformat()
    event["data"]["occurred_at"] = event["data"]["payload"]["received_at"] = at
    return event


def test_a_whatsapp_message_is_answered_by_whatsapp(stack: Stack) -> None:
    number = fresh_number()
    event = sample("whatsapp.received-without-user-id", number=number)
    wrote(stack, number)
    assert answered(stack, event) == [True]
    assert sends(stack) == [
        (
            "/messages/whatsapp",
            {
                "from": SMS_FROM,
                "to": number,
                "whatsapp_message": {"type": "text", "text": {"body": ANSWER}},
                "messaging_profile_id": event["data"]["payload"]["messaging_profile_id"],
                "type": "WHATSAPP",
            },
        )
    ]
    [effect] = stack.effects(event)
    assert effect.state == "done"


def test_an_answer_that_was_lost_is_no_second_message(stack: Stack) -> None:
    number = fresh_number()
    event = sample("whatsapp.received-without-user-id", number=number)
    wrote(stack, number)
    stack.simulator.add_fault(kind="reset", when="after", path="/messages/whatsapp")
    replies = Replies()
    stack.start_worker(replies.router)
    stack.deliver(event)
    assert stack.ended(event).state == "done"
    first, second = (each for each in stack.simulator.requests if each.path == "/messages/whatsapp")
    assert (first.idempotency_key, second.replayed) == (second.idempotency_key, True)
    assert len([each for each in stack.simulator.account.messages if each.direction == "outbound"]) == 1


def test_who_hides_the_number_is_answered_by_user_id(stack: Stack) -> None:
    wrote(stack, "", USER)
    assert answered(stack, hidden_sender()) == [True]
    [(path, body)] = sends(stack)
    assert (path, body["to"]) == ("/messages/whatsapp", USER)


def test_a_number_that_only_the_body_bears_is_answered(stack: Stack) -> None:
    number = fresh_number()
    wrote(stack, number)
    assert answered(stack, hidden_sender(**{"from": number[1:]})) == [True]
    assert [body["to"] for _, body in sends(stack)] == [number]


@pytest.mark.parametrize("user_id", [None, "", "somebody", 5, "us.1349", ["US.13491208655302741918"]])
def test_who_has_neither_number_nor_user_id_is_not_answered(stack: Stack, user_id: Any) -> None:
    assert answered(stack, hidden_sender(from_user_id=user_id)) == [False]
    assert sends(stack) == []


def test_after_24_hours_whatsapp_is_not_answered(stack: Stack) -> None:
    wrote(stack, "", USER)
    late = in_the_past(hidden_sender(), hours=24)
    delayed = hidden_sender(timestamp=str(int((datetime.now(UTC) - timedelta(hours=30)).timestamp())))
    early = in_the_past(hidden_sender(), hours=23, minutes=50)
    assert answered(stack, late, delayed, early) == [False, False, True]
    assert len(sends(stack)) == 1


def test_a_window_that_telnyx_alone_knows_to_be_closed_is_no_error(stack: Stack) -> None:
    """Nobody has written at the local Telnyx, so it refuses the answer (41000, 131047)."""
    event = sample("whatsapp.received-without-user-id", number=fresh_number())
    assert answered(stack, event) == [False]
    assert [path for path, _ in sends(stack)] == ["/messages/whatsapp"]
    stack.simulator.add_fault(status=400, code="41000", detail="(#131026) Undeliverable", path="/messages/whatsapp")
    other = sample("whatsapp.received-without-user-id", number=fresh_number())
    stack.deliver(other)
    assert stack.ended(other).state == "dead"


@pytest.mark.parametrize("channel", ["VIBER", "whatsapp-next", "", None, 7, ["SMS"], "EMAIL"])
def test_an_unknown_channel_is_answered_by_none(stack: Stack, channel: Any) -> None:
    event = envelope("message.received", received_sms(fresh_number(), "Are you open?", type=channel))
    assert answered(stack, event) == [False]
    assert sends(stack) == []


def test_a_message_without_type_is_answered_by_no_channel(stack: Stack) -> None:
    payload = received_sms(fresh_number(), "Are you open?")
    del payload["type"]
    assert answered(stack, envelope("message.received", payload)) == [False]
    assert sends(stack) == []


@pytest.mark.parametrize(
    ("kind", "to"),
    [("SMS", []), ("SMS", None), ("MMS", {}), ("RCS", "+13125550199"), ("RCS", [{"agent_id": None}]), ("WHATSAPP", "")],
)
def test_a_message_that_nothing_can_answer_for_is_not_answered(stack: Stack, kind: str, to: Any) -> None:
    event = envelope("message.received", received_sms(fresh_number(), "Are you open?", type=kind, to=to))
    assert answered(stack, event) == [False]
    assert sends(stack) == []


def test_a_stop_by_sms_holds_for_whatsapp(stack: Stack) -> None:
    number = fresh_number()
    stop = envelope("message.received", received_sms(number, "STOP"))
    event = sample("whatsapp.received-without-user-id", number=number)
    wrote(stack, number)
    assert answered(stack, stop, event) == [False, False]
    assert sends(stack) == []


@pytest.fixture
def stop() -> Any:
    """A STOP of somebody who hides the number."""
    return sample("whatsapp.hidden-sender-stop")


def opt_out_list(stack: Stack) -> list[str]:
    async def read(store: Store) -> list[str]:
        return [each.number async for each in opt_outs(store)]

    return sorted(stack.ask(read))


def test_a_hidden_senders_stop_changes_the_list_for_nobody(stack: Stack, stop: Any) -> None:
    other = fresh_number()
    stack.start_worker(built_in)
    for event in (envelope("message.received", received_sms(other, "STOP")), stop):
        assert stack.deliver(event).status_code == 200
        assert stack.ended(event).state == "done"
    assert opt_out_list(stack) == [other]
    for nobody in ("", " ", "+", "whatsapp:"):
        assert not stack.ask(partial(opted_out, number=nobody))


def test_a_hidden_senders_stop_holds_for_that_user_from_the_200_on(stack: Stack, stop: Any) -> None:
    wrote(stack, "", USER)
    wrote(stack, "", f"{USER}0")
    assert stack.deliver(stop).status_code == 200
    assert stack.ask(lambda store: opted_out(store, USER))
    told = answered(stack, hidden_sender(), hidden_sender(from_user_id=f"{USER}0"))
    assert told[-2:] == [False, True]
    assert [body["to"] for _, body in sends(stack)] == [f"{USER}0"]


def test_a_users_start_lifts_the_users_stop(stack: Stack, stop: Any) -> None:
    wrote(stack, "", USER)
    start = hidden_sender(text={"body": "START"})
    start["data"]["payload"]["text"] = "START"
    assert answered(stack, stop, hidden_sender(), start, hidden_sender()) == [False, False, False, True]


def test_who_says_stop_and_hides_the_number_later_stays_opted_out(stack: Stack) -> None:
    number = fresh_number()
    stop = sample("whatsapp.hidden-sender-stop")
    stop["data"]["payload"]["from"]["phone_number"] = number
    wrote(stack, "", USER)
    assert answered(stack, stop, hidden_sender()) == [False, False]
    assert opt_out_list(stack) == [number]
    assert sends(stack) == []


def test_a_refusal_because_of_a_users_stop_is_kept(stack: Stack) -> None:
    wrote(stack, "", USER)
    stack.simulator.add_fault(kind="status", status=403, code="40300", path="/messages/whatsapp")
    router = Replies().router
    stack.start_worker(router)
    event = hidden_sender()
    stack.deliver(event)
    assert stack.ended(event).handlers["replies"].reason == "40300"
    assert stack.ask(lambda store: opted_out(store, USER))
    assert opt_out_list(stack) == []


def test_two_machines_do_not_answer_each_other_for_ever_by_whatsapp(stack: Stack) -> None:
    wrote(stack, "", USER)
    assert answered(stack, *(hidden_sender() for _ in range(11))) == [True] * 10 + [False]


def test_the_end_of_a_whatsapp_message_is_no_reason_for_an_sms(stack: Stack) -> None:
    """Its statuses are merged as those of any message; only RCS falls back."""
    number = fresh_number()
    payload = {
        "id": "0f6bcb2f-6d6f-4a7e-9d15-5a9cb7e20002",
        "direction": "outbound",
        "type": "WHATSAPP",
        "from": {"phone_number": SMS_FROM},
        "to": [{"phone_number": number, "status": "delivery_failed"}],
        "body": {"type": "text", "text": {"body": "Your table is ready"}},
        "errors": [{"code": "40008"}],
    }
    events = [envelope(f"message.{each}", payload) for each in ("sent", "finalized", "read")]
    stack.start_worker(built_in)
    for event in events:
        assert stack.deliver(event).status_code == 200
        assert stack.ended(event).state == "done"
    assert sends(stack) == []
    assert Message.model_validate(payload).said == "Your table is ready"
