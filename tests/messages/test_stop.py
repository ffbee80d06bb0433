"""A STOP holds whatever else is said; who has no number is neither opted out nor written to."""

import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from handlers import router as built_in
from service import Context, Event, Router
from service.events.opt_out_words import OPT_OUT_WORDS
from service.store.facts.consent import consent_of, opt_outs, opted_out
from service.store.store import Store
from service.testing.samples import cases, sample
from tests.pending import pending
from tests.stack import SMS_FROM, Stack
from tests.telnyx_events import Body, envelope, finalized_rcs, fresh_number, received_rcs, received_sms

HIDING_PLACES = sorted(name for name in cases() if name.startswith("stop.beside-"))
WORDS = ("stop.revoke", "stop.opt-out")


def is_opted_out(stack: Stack, number: str) -> bool:
    return stack.ask(lambda store: opted_out(store, number))


def kept(stack: Stack) -> int:
    async def count(store: Store) -> int:
        return int(await pending(store.redis.hlen(store.keys.optouts)))

    return stack.ask(count)


def listed(stack: Stack) -> int:
    async def count(store: Store) -> int:
        return len([each async for each in opt_outs(store)])

    return stack.ask(count)


@pytest.mark.parametrize("name", [*HIDING_PLACES, *WORDS])
def test_a_stop_holds_from_the_200_on_and_its_handler_ends_done(stack: Stack, name: str) -> None:
    text = json.dumps(sample(name))
    body = orjson.loads(text.replace("\\ud83d", "?"))
    number = body["data"]["payload"]["from"]["phone_number"]
    assert stack.deliver(text.encode()).status_code == 200
    assert is_opted_out(stack, number), "before any handler ran"
    stack.start_worker(built_in)
    consent = stack.ended(body).handlers["consent"]
    assert (consent.state, consent.reason) == ("done", None)


def test_a_handler_sees_half_an_emoji_as_a_replacement(stack: Stack) -> None:
    router, seen = Router(), []

    @router.on("message.received")
    async def look(event: Event[dict[str, Any]], ctx: Context) -> None:
        seen.append(event.payload["subject"])

    stack.start_worker(router)
    text = json.dumps(sample("stop.beside-lone-surrogate"))
    assert stack.deliver(text.encode()).status_code == 200
    stack.ended(orjson.loads(text.replace("\\ud83d", "?")))
    assert seen == ["cut \ufffd"]


@pytest.mark.parametrize("code", ["40300", 40300, 40300.0, " 40300 "])
@pytest.mark.parametrize("event_type", ["message.finalized", "message.sent", "message.read", "message.something"])
def test_a_failure_because_of_a_stop_is_an_opt_out_and_no_sms(stack: Stack, code: Any, event_type: str) -> None:
    number = fresh_number()
    body = sample("rcs.blocked", number=number)
    body["data"]["event_type"] = event_type
    body["data"]["payload"]["errors"][0]["code"] = code
    assert stack.deliver(body).status_code == 200
    assert is_opted_out(stack, number)
    assert stack.ask(lambda store: consent_of(store, number)).said.source == "40300"
    stack.start_worker(built_in)
    record = stack.ended(body)
    if event_type != "message.something":
        assert record.handlers["sms_fallback"].reason == "opted_out"
    assert [each for each in stack.simulator.requests if each.method == "POST"] == []


@pytest.mark.parametrize(
    "errors", ["40300", 40300, [40300], ["40300"], {"code": 40300}, [None, "x", {"code": "40300"}]]
)
def test_40300_is_read_in_whatever_form_errors_have(stack: Stack, errors: Any) -> None:
    number = fresh_number()
    body = envelope("message.finalized", finalized_rcs("delivery_failed", number, errors=errors))
    assert stack.deliver(body).status_code == 200
    assert is_opted_out(stack, number)


@pytest.mark.parametrize("errors", [[], None, "40301", [{"code": "403000"}], [{"code": True}], [{"code": ["40300"]}]])
def test_another_error_is_no_opt_out(stack: Stack, errors: Any) -> None:
    number = fresh_number()
    body = envelope("message.finalized", finalized_rcs("delivery_failed", number, errors=errors))
    assert stack.deliver(body).status_code == 200
    assert not is_opted_out(stack, number)


@pytest.mark.parametrize(
    ("statuses", "own", "meant"),
    [
        (["delivery_failed", "delivered"], None, [True, False]),
        (["delivery_failed", "delivery_failed"], None, [True, True]),
        (["queued", "delivered"], None, [True, False]),
        (["delivered", "read"], None, [False, False]),
        (["delivery_failed", "delivery_failed"], 1, [False, True]),
        (["delivered"], None, [True]),
    ],
)
def test_of_several_recipients_those_are_opted_out_whom_the_message_failed(
    stack: Stack, statuses: list[str], own: int | None, meant: list[bool]
) -> None:
    errors = [{"code": "40300"}]
    numbers = [fresh_number() for _ in statuses]
    to: list[Body] = [{"phone_number": n, "status": s} for n, s in zip(numbers, statuses, strict=True)]
    if own is not None:
        to[own]["errors"] = errors
    payload = finalized_rcs("", numbers[0], to=to, errors=[] if own is not None else errors)
    assert stack.deliver(envelope("message.finalized", payload)).status_code == 200
    assert [is_opted_out(stack, number) for number in numbers] == meant


def test_our_own_number_is_not_opted_out_by_an_inbound_message_with_40300(stack: Stack) -> None:
    ours, number = fresh_number(), fresh_number()
    payload = received_sms(number, "Hello", to=[{"phone_number": ours}], errors=[{"code": "40300"}])
    assert stack.deliver(envelope("message.received", payload)).status_code == 200
    assert not is_opted_out(stack, ours)
    assert not is_opted_out(stack, number)


@pytest.mark.parametrize(
    "sender", ["", "MYBANK", "jane@example.com", "US.13491208655302741918", None, [], {}, "+", "12"]
)
def test_who_has_no_number_is_not_opted_out_and_nobody_else_is(stack: Stack, sender: Any) -> None:
    other = fresh_number()
    assert stack.deliver(envelope("message.received", received_sms(other, "STOP"))).status_code == 200
    body = sample("whatsapp.hidden-sender-stop")
    body["data"]["payload"]["from"]["phone_number"] = sender
    body["data"]["payload"]["type"] = "SMS"
    stack.start_worker(built_in)
    assert stack.deliver(body).status_code == 200
    assert stack.ended(body).handlers["consent"].reason == "nothing_said"
    assert listed(stack) == 1
    assert is_opted_out(stack, other)
    assert not is_opted_out(stack, "")
    assert kept(stack) == 1


@pytest.mark.parametrize("name", ["sms.received-from-name", "sms.received-from-short-code"])
@pytest.mark.parametrize("sender", [None, "", "jane@example.com", "US.13491208655302741918"])
def test_who_has_no_number_gets_no_answer(stack: Stack, name: str, sender: str | None) -> None:
    router, told = Router(), []

    @router.on("message.received")
    async def answer(event: Event[dict[str, Any]], ctx: Context) -> None:
        told.append(await ctx.reply("Thanks, we will call you back."))

    body = sample(name)
    if sender is not None:
        body["data"]["payload"]["from"]["phone_number"] = sender
    stack.start_worker(router)
    assert stack.deliver(body).status_code == 200
    record = stack.ended(body)
    assert (record.handlers["answer"].state, told) == ("done", [False])
    assert stack.simulator.requests == []


def test_no_sms_goes_to_a_recipient_that_is_no_number(stack: Stack) -> None:
    stack.start_worker(built_in)
    for recipient in ("MYBANK", "", "jane@example.com", "US.13491208655302741918"):
        body = envelope("message.finalized", finalized_rcs("delivery_failed", recipient))
        assert stack.deliver(body).status_code == 200
        assert stack.ended(body).handlers["sms_fallback"].state == "done"
    assert [each for each in stack.simulator.requests if each.method == "POST"] == []


ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
    | st.just("START"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abcdetxody_", max_size=6), inner, max_size=3),
    max_leaves=6,
)
READ = {"direction", "from", "text", "body", "received_at"}
OTHERS = sorted(({*received_sms("", ""), "body", "subject", "autoresponse_type", "errors", "cost", "parts"}) - READ)
OF_A_PARTY = ("carrier", "line_type", "status", "agent_id")
OF_AN_EVENT = ("record_type", "occurred_at", "id")


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    word=st.sampled_from(sorted(OPT_OUT_WORDS)),
    make=st.sampled_from([received_sms, received_rcs]),
    others=st.dictionaries(st.sampled_from(OTHERS), ANYTHING, max_size=4),
    party=st.dictionaries(st.sampled_from(OF_A_PARTY), ANYTHING, max_size=2),
    data=st.dictionaries(st.sampled_from(OF_AN_EVENT), ANYTHING, max_size=2),
    meta=ANYTHING,
    sender=st.sampled_from(["party", "number"]),
)
@example("stop", received_sms, {"autoresponse_type": ["START"]}, {}, {}, None, "number")
@example("revoke", received_rcs, {"text": None, "media": 5, "tags": [None]}, {"carrier": {}}, {"id": None}, [], "party")
def test_no_other_field_hides_a_stop(
    stack: Stack, word: str, make: Any, others: Body, party: Body, data: Body, meta: Any, sender: str
) -> None:
    number = fresh_number()
    payload = make(number, word)
    body = envelope("message.received", {**payload, **others, "from": {**payload["from"], **party}})
    if sender == "number":
        body["data"]["payload"]["from"] = number
    body["data"].update(data)
    body["meta"] = meta
    assert stack.deliver(body).status_code == 200
    assert is_opted_out(stack, number)


ODD: list[Any] = [None, {"a": [{}]}, 5, 12.5, "x", [None], True, [[["STOP"]]]]


@pytest.mark.parametrize("odd", [ODD[:2], pytest.param(ODD[2:], marks=pytest.mark.slow)], ids=["a few", "others"])
def test_the_handler_ends_done_whatever_stands_beside_a_stop(stack: Stack, odd: list[Any]) -> None:
    stack.start_worker(built_in)
    bodies = [
        envelope("message.received", {**received_sms(fresh_number(), "Stop"), name: value})
        for name in OTHERS
        for value in odd
    ]
    for body in bodies:
        assert stack.deliver(body).status_code == 200
    for body in bodies:
        consent = stack.ended(body).handlers["consent"]
        assert (consent.state, consent.reason) == ("done", None), body["data"]["payload"]


@pytest.mark.parametrize("direction", [None, "", 5, [], "INBOUND", "inbound ", "sideways"])
def test_a_direction_that_cannot_be_read_hides_no_stop(stack: Stack, direction: Any) -> None:
    number = fresh_number()
    body = envelope("message.received", received_sms(number, "STOP", direction=direction))
    assert stack.deliver(body).status_code == 200
    assert is_opted_out(stack, number)


@pytest.mark.parametrize("at", [None, 0, True, -5, "yesterday", 10**18, "9999-12-31T23:59:59Z", [], {}, "2200-01-01"])
def test_a_time_that_cannot_be_right_hides_no_stop_and_lifts_none(stack: Stack, at: Any) -> None:
    number = fresh_number()
    stop = envelope("message.received", received_sms(number, "STOP", received_at=at))
    assert stack.deliver(stop).status_code == 200
    assert is_opted_out(stack, number)
    consent = stack.ask(lambda store: consent_of(store, number))
    assert abs((consent.said.out_at or 0) - time.time()) < 60
    start = envelope("message.received", received_sms(number, "START", received_at=at))
    start["data"]["occurred_at"] = at
    assert stack.deliver(start).status_code == 200
    assert is_opted_out(stack, number)


def test_a_start_lifts_what_the_number_said_whoever_told_of_it(stack: Stack) -> None:
    number = fresh_number()
    blocked = sample("rcs.blocked", number=number)
    stack.deliver(blocked)
    assert is_opted_out(stack, number)
    stack.deliver(envelope("message.received", received_sms(number, "\u00abStart!\u00bb")))
    assert not is_opted_out(stack, number)


def test_a_text_of_our_own_opts_nobody_out(stack: Stack) -> None:
    number = fresh_number()
    body = envelope("message.sent", {**finalized_rcs("sent", number, text="STOP"), "text": "STOP"})
    assert stack.deliver(body).status_code == 200
    assert not is_opted_out(stack, number)
    assert not is_opted_out(stack, SMS_FROM)


def test_a_start_after_the_block_brings_no_sms_for_the_blocked_message(stack: Stack) -> None:
    number = fresh_number()
    blocked = sample("rcs.blocked", number=number)
    del blocked["data"]["payload"]["sent_at"], blocked["data"]["payload"]["received_at"], blocked["data"]["occurred_at"]
    for body in (blocked, envelope("message.received", received_sms(number, "START"))):
        assert stack.deliver(body).status_code == 200
    stack.start_worker(built_in)
    assert stack.ended(blocked).handlers["sms_fallback"].reason == "opted_out"
    assert [each for each in stack.simulator.requests if each.method == "POST"] == []


def test_a_start_from_the_future_lifts_no_stop_that_comes_after_it(stack: Stack) -> None:
    number = fresh_number()
    ahead = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    start = envelope("message.received", received_sms(number, "START", received_at=ahead))
    start["data"]["occurred_at"] = ahead
    assert stack.deliver(start).status_code == 200
    assert stack.deliver(envelope("message.received", received_sms(number, "STOP"))).status_code == 200
    assert is_opted_out(stack, number)


def test_a_stop_without_a_time_is_as_old_as_its_event_however_late_it_is_handled(stack: Stack) -> None:
    number = fresh_number()
    stop = envelope("message.received", received_sms(number, "STOP", received_at=None))
    stop["data"]["occurred_at"] = None
    assert stack.deliver(stop).status_code == 200
    assert stack.deliver(envelope("message.received", received_sms(number, "START"))).status_code == 200
    assert not is_opted_out(stack, number)
    stack.start_worker(built_in)
    assert stack.ended(stop).handlers["consent"].reason is None
    assert not is_opted_out(stack, number)
