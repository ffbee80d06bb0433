"""G9: after the 200 of a delivery or a STOP no intent is written, whatever became of the worker with that event."""

import signal
import uuid
from pathlib import Path
from typing import Any

import pytest

from handlers import router as built_in
from service import Context, Event, Router
from service.store.facts.replies import reason_against_answer
from service.store.inbox.records import EventRecord
from tests.messages.whatsapp_replies import USER, answered, hidden_sender, wrote
from tests.messages.whatsapp_replies import sends as posted
from tests.processes.fleet import open_fleet
from tests.stack import SMS_FROM, Stack
from tests.telnyx_events import envelope, finalized_rcs, fresh_number, received_sms
from tests.waiting import wait_for

STOPPABLE = """
import asyncio
from pathlib import Path
import handlers
from service import Context, Event, Router

mine = Router()

@mine.on("message.finalized")
async def lingers(event: Event, ctx: Context) -> None:
    if event.payload["to"][0]["status"] == "delivered":
        Path("holds").touch()
        await asyncio.sleep(60)

router = Router(handlers.router, mine)
"""


def reason(record: EventRecord) -> str | None:
    return record.handlers["sms_fallback"].reason


@pytest.mark.slow
def test_a_stopped_worker_that_holds_the_delivery_sends_and_hides_nothing(tmp_path: Path) -> None:
    number = fresh_number()
    payload = finalized_rcs("delivery_failed", number)
    reached = {**payload, "to": [{"phone_number": number, "status": "delivered"}]}
    with open_fleet(tmp_path, STOPPABLE, RINGBACK_SMS_FROM=SMS_FROM, RINGBACK_LEASE="30s") as fleet:
        fleet.start_ingress()
        stopped = fleet.start_worker()
        fleet.accepted(envelope("message.finalized", reached))
        wait_for((tmp_path / "holds").exists)
        stopped.send_signal(signal.SIGSTOP)
        fleet.start_worker()
        failure = envelope("message.finalized", payload)
        fleet.accepted(failure)
        assert reason(fleet.ended(failure)) == "already_delivered"
        assert fleet.sent_to(number) == []


def test_a_delivery_between_the_look_and_the_intent_forbids_the_sms(stack: Stack) -> None:
    """Telnyx is asked for the message right before the intent: meanwhile the delivery is accepted."""
    number = fresh_number()
    payload = finalized_rcs("delivery_failed", number)
    failure = envelope("message.finalized", payload)
    reached = envelope("message.finalized", {**payload, "to": [{"phone_number": number, "status": "read"}]})
    record = _meanwhile(stack, failure, lambda: stack.deliver(reached))
    assert reason(record) == "already_delivered"
    assert stack.sent_to(number) == []


def test_a_stop_between_the_look_and_the_intent_forbids_the_sms(stack: Stack) -> None:
    number = fresh_number()
    failure = envelope("message.finalized", finalized_rcs("delivery_failed", number))
    stop = envelope("message.received", received_sms(number, "STOP"))
    record = _meanwhile(stack, failure, lambda: stack.deliver(stop))
    assert reason(record) == "opted_out"
    assert stack.sent_to(number) == []


def _meanwhile(stack: Stack, failure: dict[str, Any], act: Any) -> EventRecord:
    """Process a failure, and act while Telnyx is about to answer what the message's state is."""
    stack.simulator.add_fault(kind="slow", seconds=1.5, method="GET", path="/messages/*")
    stack.start_worker(built_in)
    stack.deliver(failure)
    wait_for(lambda: any(each.method == "GET" for each in stack.simulator.requests))
    act()
    return stack.ended(failure)


@pytest.mark.parametrize("forbids", ["delivered", "STOP"])
def test_a_send_of_unknown_fate_is_not_repeated_once_it_is_forbidden(stack: Stack, forbids: str) -> None:
    number = fresh_number()
    payload = finalized_rcs("delivery_failed", number)
    failure = envelope("message.finalized", payload)
    stack.simulator.add_fault(status=503, method="POST", times=1, headers={"retry-after": "2"})
    stack.start_worker(built_in)
    stack.deliver(failure)
    stack.when(failure, lambda record: bool(record.handlers) and record.handlers["sms_fallback"].state == "waiting")
    if forbids == "STOP":
        stack.deliver(envelope("message.received", received_sms(number, "STOP")))
    else:
        stack.deliver(
            envelope("message.finalized", {**payload, "to": [{"phone_number": number, "status": "delivered"}]})
        )
    record = stack.ended(failure)
    assert reason(record) == ("opted_out" if forbids == "STOP" else "already_delivered")
    assert [each.status for each in stack.simulator.requests if each.method == "POST"] == [503]
    assert any("/detail_records" in each.path for each in stack.simulator.requests), "it is looked for"
    assert any("fate=unknown" in remark for run in record.handlers["sms_fallback"].runs for remark in run.remarks)


def test_a_handler_of_ones_own_cannot_send_after_a_stop(stack: Stack) -> None:
    number, other = fresh_number(), fresh_number()
    router = Router()

    @router.on("test.sends")
    async def sends(event: Event, ctx: Context) -> None:
        await ctx.telnyx.messages.send(to=event.payload["to"], from_=SMS_FROM, text="Hello")

    stack.start_worker(router)
    stack.deliver(envelope("message.received", received_sms(number, "STOP")))
    forbidden, allowed = (envelope("test.sends", {"to": each}) for each in (number, other))
    for event in (forbidden, allowed):
        stack.deliver(event)
    assert (stack.ended(forbidden).state, stack.ended(forbidden).handlers["sends"].reason) == ("done", "opted_out")
    assert stack.ended(allowed).handlers["sends"].reason is None
    assert (len(stack.sent_to(number)), len(stack.sent_to(other))) == (0, 1)


def hidden_stop() -> dict[str, Any]:
    """A STOP by WhatsApp from somebody who hides the number: it bears the user's id alone."""
    stop: dict[str, Any] = hidden_sender(text={"body": "STOP"})
    stop["data"]["id"] = str(uuid.uuid4())
    return stop


@pytest.mark.parametrize(("said_by", "sent_to"), [(USER, USER), ("+441711234567", "+4401711234567")])
def test_a_stop_holds_for_each_name_of_a_person(stack: Stack, said_by: str, sent_to: str) -> None:
    router = Router()

    @router.on("test.sends")
    async def sends(event: Event, ctx: Context) -> None:
        assert await ctx.opted_out(sent_to)
        text: Any = {"type": "text", "text": {"body": "Hello"}}
        if sent_to == USER:
            await ctx.telnyx.messages.whatsapp(to=sent_to, from_=SMS_FROM, whatsapp_message=text)
        else:
            await ctx.telnyx.messages.send(to=sent_to, from_=SMS_FROM, text="Hello")

    stack.start_worker(router)
    stop = hidden_stop() if said_by == USER else envelope("message.received", received_sms(said_by, "STOP"))
    assert stack.deliver(stop).status_code == 200
    stack.deliver(event := envelope("test.sends", {}))
    assert stack.ended(event).handlers["sends"].reason == "opted_out"
    assert [each for each in stack.simulator.requests if each.method == "POST"] == []


def test_a_stop_under_the_user_id_right_before_the_intent_forbids_an_answer_to_the_number(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = fresh_number()
    wrote(stack, number)

    async def and_meanwhile(*args: Any, **options: Any) -> Any:
        stack.deliver(hidden_stop())
        return await reason_against_answer(*args, **options)

    monkeypatch.setattr("service.messages.reply.reason_against_answer", and_meanwhile)
    known_by_both = hidden_sender(**{"from": number[1:]})
    assert not any(answered(stack, known_by_both))
    assert [path for path, _ in posted(stack)] == []
