"""A message whose end never came is read at Telnyx, and its end is processed like any other."""

import time
from typing import Any

import pytest

from handlers import router as built_in
from service.healing.report import HealReport
from service.store.inbox.healing import messages_due
from service.store.store import Store
from tests.healing.missed import heal, healed, installed
from tests.stack import Stack
from tests.telnyx_events import envelope, finalized_rcs, fresh_number
from tests.waiting import wait_for


def sent(stack: Stack, message_id: str, number: str, status: str = "sent") -> None:
    """Let a webhook tell that a message is under way."""
    to = [{"phone_number": number, "status": status}]
    stack.deliver(envelope("message.sent", finalized_rcs(status, number, id=message_id, to=to)))


def make_due(stack: Stack) -> None:
    """Let 15 minutes pass for the messages under way."""

    async def back(store: Store) -> None:
        for message_id in await store.redis.zrange(store.keys.under_way, 0, -1):
            await store.redis.zadd(store.keys.under_way, {message_id: 1})

    stack.ask(back)


def at_telnyx(stack: Stack, number: str, status: Any) -> str:
    """The id of a message that Telnyx has, whose webhooks are lost."""
    stack.simulator.add_webhook_fault(kind="lost", times=None)
    stack.simulator.set_outcome(number, status)
    from telnyx import Telnyx

    with Telnyx(api_key="KEY", base_url=stack.settings.base_url, max_retries=0) as telnyx:
        answer = telnyx.messages.rcs.send(
            agent_id="acme_agent",
            to=number,
            messaging_profile_id=stack.simulator.account.profiles.default_id,
            agent_message={"content_message": {"text": "Your table is ready"}},
        )
    assert answer.data is not None
    message_id = str(answer.data.id)
    wait_for(lambda: stack.simulator.account.messages.known(message_id).status not in {"queued", "sending"})
    return message_id


def due(stack: Stack) -> list[str]:
    return stack.ask(lambda store: messages_due(store, time.time(), limit=10))


def test_a_message_whose_end_never_came_is_resolved_and_sends_its_fallback_once(public_stack: Stack) -> None:
    stack, number = public_stack, fresh_number()
    installed(stack)
    stack.start_worker(built_in)
    message_id = at_telnyx(stack, number, "delivery_failed")
    sent(stack, message_id, number)
    assert due(stack) == [], "not before 15 minutes"
    make_due(stack)

    report = heal(stack)

    [found] = report.healed
    assert (report.messages, found.type, found.found, found.source) == (
        1,
        "message.finalized",
        "unfinished",
        message_id,
    )
    record = stack.ended(found.id)
    assert (record.arrived_by, record.handlers["sms_fallback"].reason) == ("healed", None)
    assert len(stack.sent_to(number)) == 2, "the RCS message, and one SMS in its place"
    assert (heal(stack).messages, due(stack)) == (0, [])
    stack.deliver(envelope("message.finalized", finalized_rcs("delivery_failed", number, id=message_id)))
    wait_for(lambda: stack.ask(lambda store: store.redis.zcard(store.keys.queue)) == 0)
    assert len(stack.sent_to(number)) == 2, "the late webhook sends nothing more"


def test_a_message_that_is_still_under_way_is_asked_for_later_and_a_delivered_one_never(public_stack: Stack) -> None:
    stack, number = public_stack, fresh_number()
    installed(stack)
    waiting = at_telnyx(stack, number, "sent")
    sent(stack, waiting, number)
    sent(stack, "ended", number)
    stack.deliver(envelope("message.finalized", finalized_rcs("delivered", number, id="ended")))
    make_due(stack)

    report = heal(stack)
    assert (report.messages, report.healed, due(stack)) == (1, [], [])
    in_an_hour = stack.ask(lambda store: messages_due(store, time.time() + 3600, limit=10))
    assert in_an_hour == [waiting]


@pytest.mark.parametrize("known", [True, False])
def test_a_message_that_telnyx_no_longer_shows_or_that_was_erased_here_is_left(
    public_stack: Stack, *, known: bool
) -> None:
    stack, number = public_stack, fresh_number()
    installed(stack)
    sent(stack, "gone", number)
    make_due(stack)
    if not known:
        stack.ask(lambda store: store.redis.delete(store.keys.message("gone")))

    report = heal(stack)
    assert (report.messages, report.healed, report.failed) == (int(known), [], [])
    assert stack.ask(lambda store: store.redis.zcard(store.keys.under_way)) == 0


def test_one_that_telnyx_refuses_to_show_is_named_and_hinders_no_other(
    public_stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack, number = public_stack, fresh_number()
    installed(stack)
    fine = at_telnyx(stack, number, "delivered")
    sent(stack, "odd", number)
    sent(stack, fine, number)
    make_due(stack)
    stack.simulator.add_fault(kind="status", status=422, path="/messages/odd", times=None)

    report = heal(stack)
    assert [each.source for each in report.failed] == ["odd"]
    assert len(healed(report)) == 1


def test_a_dry_run_asks_and_changes_nothing(public_stack: Stack) -> None:
    stack, number = public_stack, fresh_number()
    installed(stack)
    message_id = at_telnyx(stack, number, "delivered")
    sent(stack, message_id, number)
    make_due(stack)
    report: HealReport = heal(stack, act=False)
    assert ([each.source for each in report.healed], due(stack)) == ([message_id], [message_id])
