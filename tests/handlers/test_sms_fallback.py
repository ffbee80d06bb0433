"""The SMS fallback by its policy: timers, quiet hours, the budget, and what Telnyx shows meanwhile."""

import random
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from structlog.testing import capture_logs
from telnyx import Telnyx

from handlers import router as built_in
from service import clock
from service.messages.fallback_sending import DOUBLE_DELIVERIES
from service.store.facts.consent import opted_out
from service.store.inbox.records import EventRecord
from service.store.store import Store
from service.testing.simulator.messages.message import OutcomeStatus
from tests.messages.policies import write_policy
from tests.stack import SMS_FROM, Stack
from tests.telnyx_events import envelope, finalized_rcs, fresh_number, received_sms
from tests.testing.simulator.receiver import receiving
from tests.waiting import wait_for

Start = Callable[..., Any]


@pytest.fixture
def start(stack: Stack, tmp_path: Path) -> Start:
    """A worker with the built-in handlers, under a policy."""

    def started(policy: str, **changes: Any) -> Any:
        return stack.start_worker(built_in, policy=write_policy(tmp_path, policy), **changes)

    return started


def ago(seconds: float) -> str:
    return (datetime.now(UTC) - timedelta(seconds=seconds)).isoformat()


def sent(payload: dict[str, Any], status: str = "sent", event_type: str = "message.sent") -> dict[str, Any]:
    """An event of the same message with another status."""
    to = [{**each, "status": status} for each in payload["to"]]
    return envelope(event_type, {**payload, "to": to})


def fallback(record: EventRecord) -> tuple[str, str | None]:
    handler = record.handlers["sms_fallback"]
    return handler.state, handler.reason


def timers(stack: Stack) -> list[EventRecord]:
    """The timers that were ever set."""

    async def found(store: Store) -> list[str]:
        return [
            each.decode()
            for each in await store.redis.zrange(store.keys.events, 0, -1)
            if each.startswith(b"schedule:")
        ]

    return [record for each in stack.ask(found) if (record := stack.record(each)) is not None]


PATIENT = """
    [[rules]]
    name = "patient"
    triggers = []
    undelivered_after = "60s"
    """


def test_a_message_that_is_not_delivered_in_time_becomes_one_sms(stack: Stack, start: Start) -> None:
    start(PATIENT)
    number = fresh_number()
    payload = finalized_rcs("sent", number, sent_at=ago(59))
    first, again = sent(payload), sent(payload)
    for event in (first, again):
        stack.deliver(event)
        assert fallback(stack.ended(event)) == ("done", None)

    [timer] = timers(stack)
    assert number[-7:] not in timer.id
    assert fallback(stack.ended(timer.id)) == ("done", None)
    assert [each.body["text"] for each in stack.sent_to(number)] == ["Your table is ready"]


def test_ten_seconds_of_patience_end_in_time(stack: Stack, start: Start) -> None:
    start(PATIENT.replace("60s", "10s"))
    payload = finalized_rcs("sent", number := fresh_number(), sent_at=ago(8))
    began = time.monotonic()
    stack.deliver(event := sent(payload))
    stack.ended(event)

    [timer] = timers(stack)
    assert fallback(stack.ended(timer.id)) == ("done", None)
    assert 1 < time.monotonic() - began < 6
    assert len(stack.sent_to(number)) == 1


@pytest.mark.parametrize("off", [-3600, 3600])
def test_patience_is_counted_by_the_time_of_redis_and_not_of_a_worker(stack: Stack, start: Start, off: int) -> None:
    start(PATIENT)
    with clock.moved(lambda: time.time() + off):
        stack.deliver(event := sent(finalized_rcs("sent", fresh_number(), sent_at=ago(10))), at=time.time() + off)
        stack.ended(event)
    [timer] = timers(stack)
    assert timer.due is not None
    assert 30 < timer.due / 1000 - time.time() < 55


def test_a_delivery_calls_the_timer_off(stack: Stack, start: Start) -> None:
    start(PATIENT)
    payload = finalized_rcs("sent", number := fresh_number())
    watched, delivered = sent(payload), sent(payload, "delivered", "message.finalized")
    for event in (watched, delivered):
        stack.deliver(event)
        stack.ended(event)

    [timer] = timers(stack)
    assert stack.ended(timer.id).state == "ignored"
    assert stack.sent_to(number) == []


@pytest.mark.parametrize("status", ["delivered", "read"])
def test_a_delivery_that_is_told_of_first_leaves_no_timer(stack: Stack, start: Start, status: str) -> None:
    start(PATIENT)
    payload = finalized_rcs("sent", fresh_number(), sent_at=ago(120))
    for event in (sent(payload, status, "message.finalized"), sent(payload)):
        stack.deliver(event)
        stack.ended(event)

    assert timers(stack) == []


def test_a_timer_outlives_its_worker(stack: Stack, start: Start) -> None:
    start(PATIENT)
    payload = finalized_rcs("sent", number := fresh_number(), sent_at=ago(58))
    stack.deliver(event := sent(payload))
    stack.ended(event)
    stack.workers.close()
    [timer] = timers(stack)
    assert timer.state == "open"

    start(PATIENT)
    assert fallback(stack.ended(timer.id)) == ("done", None)
    assert len(stack.sent_to(number)) == 1


def test_the_failure_and_the_timer_of_one_message_send_once(stack: Stack, start: Start) -> None:
    start(PATIENT.replace("triggers = []", ""))
    payload = finalized_rcs("sent", number := fresh_number(), sent_at=ago(59))
    watched, failed = sent(payload), sent(payload, "delivery_failed", "message.finalized")
    for event in (watched, failed):
        stack.deliver(event)
        stack.ended(event)

    [timer] = timers(stack)
    assert fallback(stack.ended(timer.id)) == ("done", "already_sent")
    assert len(stack.sent_to(number)) == 1


BY_COUNTRY = """
    [[rules]]
    name = "france"
    countries = ["FR"]
    from = "12345"
    template = "{{ agent_name }} : {{ text }}"

    [[rules]]
    name = "codes"
    agents = ["otp_agent"]
    class = "otp"
    triggers = ["unconfirmed"]
    """


def test_each_recipient_has_a_rule_of_its_own(stack: Stack, start: Start) -> None:
    start(BY_COUNTRY)
    french, other = f"+336{random.randrange(10**8):08d}", fresh_number()
    payload = finalized_rcs("delivery_failed", french)
    payload["to"].append({"phone_number": other, "status": "delivery_failed"})
    stack.deliver(event := envelope("message.finalized", payload))

    assert fallback(stack.ended(event)) == ("done", None)
    [sms] = stack.sent_to(french)
    assert (sms.body["from"], sms.body["text"]) == ("12345", "Acme : Your table is ready")
    assert stack.sent_to(other) == []


def test_what_no_rule_fits_and_what_its_rule_leaves_alone_is_told(stack: Stack, start: Start) -> None:
    start(BY_COUNTRY)
    alone = envelope("message.finalized", finalized_rcs("delivery_failed", fresh_number()))
    of_agent: dict[str, Any] = {"from": {"agent_id": "otp_agent"}}
    failed = envelope("message.finalized", finalized_rcs("delivery_failed", fresh_number(), **of_agent))
    unconfirmed = envelope("message.finalized", finalized_rcs("delivery_unconfirmed", fresh_number(), **of_agent))
    for event in (alone, failed, unconfirmed):
        stack.deliver(event)

    assert fallback(stack.ended(alone)) == ("done", "no_rule")
    assert fallback(stack.ended(failed)) == ("done", "not_failed")
    assert fallback(stack.ended(unconfirmed)) == ("done", None)


NIGHT = """
    [[rules]]
    name = "promotions"
    class = "marketing"
    quiet_hours = { from = "21:00", to = "08:00", time_zone = "America/Chicago" }
    max_wait = "10h"
    """


def chicago(text: str) -> float:
    return datetime.fromisoformat(f"{text}-06:00").timestamp()


def failed_at(moment: float) -> dict[str, Any]:
    at = datetime.fromtimestamp(moment, UTC).isoformat()
    return envelope("message.finalized", finalized_rcs("delivery_failed", fresh_number(), sent_at=at))


def test_what_comes_at_night_waits_for_the_morning(stack: Stack, start: Start) -> None:
    evening = chicago("2026-11-22T22:30:00")
    with clock.moved(lambda: evening):
        start(NIGHT)
        stack.deliver(event := failed_at(evening), at=evening)
        record = stack.when(event, lambda record: fallback(record)[0] == "waiting" if record.handlers else False)
    assert fallback(record) == ("waiting", "quiet_hours")
    assert 9.4 * 3600 < record.handlers["sms_fallback"].due / 1000 - time.time() <= 9.5 * 3600


def test_what_waited_for_the_morning_goes_out_though_it_is_older_than_max_age_by_then(
    stack: Stack, start: Start
) -> None:
    times = [dawn := chicago("2026-11-23T07:59:59")]
    with clock.moved(lambda: times[-1]):
        start(NIGHT)
        stack.deliver(event := failed_at(dawn - 3599.5), at=dawn)
        stack.when(event, lambda record: fallback(record)[0] == "waiting" if record.handlers else False)
        times.append(dawn + 1)
        assert fallback(stack.ended(event)) == ("done", None)


def test_a_morning_that_comes_too_late_is_not_waited_for(stack: Stack, start: Start) -> None:
    evening = chicago("2026-11-22T21:30:00")
    with clock.moved(lambda: evening):
        start(NIGHT)
        stack.deliver(event := failed_at(evening), at=evening)
        assert fallback(stack.ended(event)) == ("done", "quiet_hours")


def test_beyond_the_budget_of_the_hour_fallbacks_are_held_and_a_person_is_told_once(stack: Stack, start: Start) -> None:
    events = [envelope("message.finalized", finalized_rcs("delivery_failed", fresh_number())) for _ in range(5)]
    with capture_logs() as logs:
        start("[[rules]]\nname = 'all'\n", sms_per_hour=2)
        for event in events:
            stack.deliver(event)
        records = [
            stack.when(event, lambda record: fallback(record)[0] in {"done", "waiting"} if record.handlers else False)
            for event in events
        ]

    assert sorted(fallback(each) for each in records) == [
        ("done", None),
        ("done", None),
        ("waiting", "over_budget"),
        ("waiting", "over_budget"),
        ("waiting", "over_budget"),
    ]
    told = [each for each in logs if each["log_level"] == "error"]
    assert [each["segments_per_hour"] for each in told] == [2]
    assert "RINGBACK_SMS_PER_HOUR" in told[0]["event"]


def test_a_person_is_told_of_the_budget_where_notifications_go(stack: Stack, start: Start) -> None:
    with receiving() as phone:
        notify = SecretStr(phone.address.replace("http://", "json://") + "/phone")
        start("[[rules]]\nname = 'all'\n", sms_per_hour=1, notify=notify)
        for _ in range(3):
            stack.deliver(envelope("message.finalized", finalized_rcs("delivery_failed", fresh_number())))
        [received] = phone.take()

    assert received.json["title"] == "Ringback: SMS fallbacks are held: RINGBACK_SMS_PER_HOUR is reached"
    assert "1 segments an hour" in received.json["message"]


def test_trying_a_fallback_again_counts_its_segments_once(stack: Stack, start: Start) -> None:
    stack.simulator.add_fault(status=503, method="POST", times=2)
    start("[[rules]]\nname = 'all'\n", sms_per_hour=1)
    stack.deliver(event := envelope("message.finalized", finalized_rcs("delivery_failed", fresh_number())))

    assert fallback(stack.ended(event)) == ("done", None)


def rcs_message(stack: Stack, number: str, content: dict[str, Any], **fields: Any) -> str:
    """Send an RCS message through the local Telnyx; answers its id."""
    client = Telnyx(api_key="KEY", base_url=stack.settings.base_url)
    answer = client.messages.rcs.send(
        agent_id="acme_agent",
        to=number,
        messaging_profile_id=str(uuid.uuid4()),
        agent_message={"content_message": content},  # type: ignore[typeddict-item]
        **fields,
    )
    client.close()
    assert answer.data is not None
    assert answer.data.id is not None
    return answer.data.id


def test_a_card_that_the_event_leaves_out_is_asked_for(stack: Stack, start: Start) -> None:
    start("[[rules]]\nname = 'all'\nas = 'auto'\n")
    stack.simulator.set_outcome(number := fresh_number(), "delivery_failed", type="RCS")
    card = {
        "title": "Menu",
        "media": {"height": "SHORT", "content_info": {"file_url": "https://diner.example/menu.jpg"}},
        "suggestions": [{"action": {"text": "Call us", "dial_action": {"phone_number": "+13125550199"}}}],
    }
    standalone = {"card_orientation": "VERTICAL", "thumbnail_image_alignment": "LEFT", "card_content": card}
    message_id = rcs_message(stack, number, {"rich_card": {"standalone_card": standalone}})
    payload = finalized_rcs("delivery_failed", number, text=None, id=message_id)
    stack.deliver(event := envelope("message.finalized", payload))

    assert fallback(stack.ended(event)) == ("done", None)
    [mms] = [each for each in stack.sent_to(number) if each.path == "/messages"]
    assert (mms.body["type"], mms.body["media_urls"]) == ("MMS", ["https://diner.example/menu.jpg"])
    assert mms.body["text"] == "Menu\nCall us: +13125550199"


@pytest.mark.parametrize(("status", "reason"), [("delivered", "already_delivered"), ("delivery_failed", None)])
def test_a_delivery_that_only_telnyx_knows_of_forbids_the_sms(
    stack: Stack, start: Start, status: OutcomeStatus, reason: str | None
) -> None:
    start("[[rules]]\nname = 'all'\n")
    stack.simulator.set_outcome(number := fresh_number(), status, type="RCS")
    message_id = rcs_message(stack, number, {"text": "Hello"})
    stack.deliver(event := envelope("message.finalized", finalized_rcs("expired", number, id=message_id)))

    assert fallback(stack.ended(event)) == ("done", reason)


def test_a_block_by_a_stop_that_only_telnyx_knows_of_forbids_the_sms_and_is_kept(stack: Stack, start: Start) -> None:
    start("[[rules]]\nname = 'all'\n")
    number = fresh_number()
    stack.simulator.set_outcome(number, "delivery_failed", type="RCS", errors=[{"code": 40300}])
    message_id = rcs_message(stack, number, {"text": "Hello"})
    stack.deliver(event := envelope("message.finalized", finalized_rcs("delivery_failed", number, id=message_id)))

    assert fallback(stack.ended(event)) == ("done", "opted_out")
    assert stack.ask(lambda store: opted_out(store, number))


def test_a_native_fallback_that_telnyx_shows_is_the_only_sms(stack: Stack, start: Start) -> None:
    start("[[rules]]\nname = 'all'\n")
    number = fresh_number()
    stack.simulator.account.capabilities.set(number, "none")
    message_id = rcs_message(stack, number, {"text": "Hi"}, sms_fallback={"from": SMS_FROM, "text": "Hi"})
    stack.deliver(event := envelope("message.finalized", finalized_rcs("delivery_failed", number, id=message_id)))

    assert fallback(stack.ended(event))[1] in {"native_fallback", "already_delivered"}
    assert [each.path for each in stack.sent_to(number)] == ["/messages/rcs"]


def test_a_delivery_after_the_sms_is_counted_by_carrier(stack: Stack, start: Start) -> None:
    worker = start("[[rules]]\nname = 'all'\n")
    carrier = "Carrier of late deliveries"
    payload = finalized_rcs("expired", fresh_number())
    payload["to"][0]["carrier"] = carrier
    late = sent({**payload, "to": [{"phone_number": payload["to"][0]["phone_number"]}]}, "read", "message.read")
    for event in (envelope("message.finalized", payload), late, sent(payload, "delivered", "message.finalized")):
        stack.deliver(event)
        stack.ended(event)

    shown = worker._metrics.registry.get_sample_value("ringback_double_deliveries_total", {"carrier": carrier})
    assert shown == 1
    DOUBLE_DELIVERIES.remove(carrier)


def test_in_whatever_order_several_workers_hear_of_it_each_recipient_gets_one_sms_at_most(
    stack: Stack, start: Start
) -> None:
    for _ in range(3):
        start("[[rules]]\nname = 'all'\n")
    failed = [finalized_rcs("delivery_failed", fresh_number()) for _ in range(8)]
    reached = [finalized_rcs("delivery_failed", fresh_number()) for _ in range(4)]
    for payload in reached:
        stack.deliver(first := sent(payload, "delivered", "message.finalized"))
        stack.ended(first)
    events = [
        sent(payload, status, "message.finalized")
        for payload in failed + reached
        for status in ("sent", "delivery_failed", "sending_failed", "expired")
    ]
    deliveries = events + random.sample(events, 12)
    random.shuffle(deliveries)
    with ThreadPoolExecutor(8) as threads:
        assert {answer.status_code for answer in threads.map(stack.deliver, deliveries)} == {200}
    for event in events:
        assert stack.ended(event).state == "done"

    assert [len(stack.sent_to(each["to"][0]["phone_number"])) for each in failed] == [1] * 8
    assert [len(stack.sent_to(each["to"][0]["phone_number"])) for each in reached] == [0] * 4


def test_another_event_is_told_who_holds_the_right_that_came_to_nothing(stack: Stack, start: Start) -> None:
    stack.simulator.add_fault(status=400, method="POST", times=1)
    start("[[rules]]\nname = 'all'\n")
    payload = finalized_rcs("delivery_failed", number := fresh_number())
    first, second = (sent(payload, status, "message.finalized") for status in ("delivery_failed", "expired"))
    stack.deliver(first)
    assert fallback(stack.ended(first))[0] == "dead"
    stack.deliver(second)
    record = stack.ended(second)
    assert fallback(record) == ("done", "right_held")
    assert stack.sent_to(number) == []
    remarks = [remark for run in record.handlers["sms_fallback"].runs for remark in run.remarks]
    assert any(first["data"]["id"] in remark for remark in remarks)


@pytest.mark.parametrize("why", ["opted_out", "already_delivered", "refused"])
def test_the_budget_is_free_again_where_its_one_sms_is_not_sent_after_all(stack: Stack, start: Start, why: str) -> None:
    start("[[rules]]\nname = 'all'\n", sms_per_hour=1)
    payload = finalized_rcs("delivery_failed", number := fresh_number())
    if why == "refused":
        stack.simulator.add_fault(status=400, method="POST", times=1)
        first = envelope("message.finalized", payload)
        stack.deliver(first)
    else:
        stack.simulator.add_fault(kind="slow", seconds=1.0, method="GET", path="/messages/*")
        stack.deliver(first := envelope("message.finalized", payload))
        wait_for(lambda: any(each.method == "GET" for each in stack.simulator.requests))
        stop = envelope("message.received", received_sms(number, "STOP"))
        stack.deliver(stop if why == "opted_out" else sent(payload, "delivered", "message.finalized"))
    assert stack.ended(first).handlers["sms_fallback"].reason == ("10007" if why == "refused" else why)
    stack.deliver(second := envelope("message.finalized", finalized_rcs("delivery_failed", fresh_number())))

    assert fallback(stack.ended(second)) == ("done", None)
