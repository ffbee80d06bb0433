"""Messages that fail with one code: one notification for each code and sender, with the remedy."""

from typing import Any

import pytest

from handlers import delivery_alerts
from handlers import router as built_in
from service.messages.delivery_alerts import CODES, failures_of
from service.settings import InvalidSettings, load
from service.settings.alert_rate import AlertRate
from service.store.batching import BatchingStore
from service.store.scripts import script
from tests.notifications import noted
from tests.stack import Stack
from tests.telnyx_events import envelope, finalized_rcs, fresh_number

SENDER, OTHER = "+13125550123", "+13125550124"
SMS = {"type": "SMS", "text": "Your code", "body": None}


def failed(code: str, *, sender: str = SENDER, status: str = "delivery_failed", **changes: Any) -> dict[str, Any]:
    party = {"phone_number": sender} if sender.startswith("+") else {"agent_id": sender}
    given = {"from": party, "errors": [{"code": code, "title": "x"}], **SMS, **changes}
    return envelope("message.finalized", finalized_rcs(status, fresh_number(), **given))


def reasons(stack: Stack, *events: dict[str, Any]) -> list[str | None]:
    """The reasons with which the handler ended, event after event."""
    found = []
    for event in events:
        stack.deliver(event)
        record = stack.ended(event).handlers["delivery_alerts"]
        assert record.state == "done", record
        found.append(record.reason)
    return found


def start(stack: Stack, rate: str = "3/1h") -> None:
    stack.start_worker(delivery_alerts.router, delivery_alerts=AlertRate.parse(rate))


def test_the_rate_makes_one_notification_with_the_remedy(stack: Stack) -> None:
    start(stack)
    assert reasons(stack, *(failed("40010") for _ in range(5))) == ["below_rate", "below_rate", None, None, None]
    [(cause, [(text, mend)])] = noted(stack).items()
    assert cause == "messages of +1312•••0123 fail with 40010, number without a 10DLC campaign"
    assert text == "3/1h or more: assign the number to an approved 10DLC campaign, see ringback doctor"
    assert mend == "ringback events list --type message.finalized"
    assert SENDER not in f"{cause}{text}{mend}"


def test_codes_and_senders_are_counted_apart(stack: Stack) -> None:
    start(stack)
    events = [failed("40002"), failed("40003"), failed("40002", sender=OTHER), failed("40002", sender="acme_agent")]
    assert set(reasons(stack, *events)) == {"below_rate"}
    assert noted(stack) == {}
    reasons(stack, *(failed("40002", sender="acme_agent", type="RCS") for _ in range(2)))
    assert list(noted(stack)) == ["messages of acme_agent fail with 40002, blocked as spam by a carrier, temporarily"]


@pytest.mark.parametrize(
    "event",
    [
        failed("40010", status="delivered"),
        failed("40010", status="delivery_unconfirmed"),
        failed("40008"),
        failed("40300"),
        failed("made up"),
        failed("40010", errors=[]),
        failed("40010", direction="inbound"),
    ],
    ids=["delivered", "unconfirmed", "recipient", "opted_out", "no_code", "none", "inbound"],
)
def test_what_is_no_failure_of_a_sender_asks_redis_nothing(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, event: dict[str, Any]
) -> None:
    def refuse(*_: Any) -> None:
        raise AssertionError("Redis was asked")

    monkeypatch.setattr("service.messages.delivery_alerts.count_failure", refuse)
    start(stack, "1/1h")
    assert reasons(stack, event) == ["not_failed"]
    assert noted(stack) == {}


def test_a_redelivery_and_a_replay_count_once(stack: Stack) -> None:
    start(stack, "2/1h")
    event = failed("40329")
    for _ in range(3):
        stack.deliver(event)
    assert stack.ended(event).handlers["delivery_alerts"].reason == "below_rate"
    assert noted(stack) == {}


def test_a_failure_of_long_ago_is_not_counted(stack: Stack) -> None:
    start(stack, "1/1h")
    event = failed("40010")
    event["data"]["occurred_at"] = "2026-01-01T00:00:00Z"
    assert reasons(stack, event) == ["too_old"]


def test_a_code_that_is_unknown_is_told_of_too(stack: Stack) -> None:
    start(stack, "1/1h")
    assert reasons(stack, failed("49999")) == [None]
    [(cause, [(text, _)])] = noted(stack).items()
    assert "49999, an unknown code" in cause
    assert "look the code up" in text


def test_off_subscribes_to_nothing(stack: Stack) -> None:
    start(stack, "off")
    stack.deliver(event := failed("40010"))
    record = stack.ended(event)
    assert (record.state, record.handlers) == ("ignored", {})


def test_a_failed_rcs_message_is_counted_by_one_call_beside_its_fallback(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches: list[list[str]] = []
    whole = BatchingStore._evaluate_all

    async def noting(self: BatchingStore, calls: Any) -> Any:
        batches.append([repr(each) for each in calls])
        return await whole(self, calls)

    monkeypatch.setattr(BatchingStore, "_evaluate_all", noting)
    stack.start_worker(built_in)
    for _ in range(2):
        batches.clear()
        event = failed("40010", sender="acme_agent", type="RCS", body={"text": "Your table is ready"})
        stack.deliver(event)
        handlers = stack.ended(event).handlers
        assert (handlers["delivery_alerts"].reason, handlers["sms_fallback"].reason) == ("below_rate", None)
    # The second event finds the script at the server. Calls of handlers that wait together share a turn to Redis.
    assert sum(script("delivery_failure").digest in each for batch in batches for each in batch) == 1


def test_each_code_of_the_table_has_a_remedy_or_speaks_of_a_recipient() -> None:
    for each in CODES.values():
        assert (each.of == "recipient") != (not each.remedy.startswith("look the code up")), each
    assert {"40010", "40329", "40315", "40002", "40003", "40333"} <= set(CODES)


def test_a_failure_shows_no_number() -> None:
    from service.events import Message

    payload = finalized_rcs("delivery_failed", fresh_number(), **SMS, errors=[{"code": "40010"}])
    [failure] = failures_of(Message.model_validate(payload | {"from": {"phone_number": SENDER}}))
    assert SENDER not in f"{failure!r} {failure.shown_sender}"


@pytest.mark.parametrize(
    ("text", "shown"),
    [("5/1h", "5/1h"), ("50/10m", "50/10m"), (" 1/1s ", "1/1s"), ("OFF", "off"), ("1000/1d", "1000/24h")],
)
def test_a_rate_is_read(text: str, shown: str) -> None:
    assert str(AlertRate.parse(text)) == shown


@pytest.mark.parametrize("text", ["5", "0/1h", "5/0s", "1001/1h", "5/25h", "-1/1h", "5/1w", "x/1h", "5/"])
def test_a_wrong_rate_is_refused(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("RINGBACK_DELIVERY_ALERTS", text)
    with pytest.raises(InvalidSettings, match="RINGBACK_DELIVERY_ALERTS: give "):
        load()
