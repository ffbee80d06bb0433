"""Consent: what is heard as a STOP, and from when on it holds."""

import asyncio
import base64
import random
import uuid
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from telnyx import APIError

from handlers import router as built_in
from service import Context, Discard, Event, Router, clock
from service.events import read_envelope
from service.events.consent import ConsentChange, is_keyword, words_of
from service.events.opt_out_words import normalise_all
from service.security.encryption import PLAIN
from service.store.connection import connect
from service.store.facts.consent import Consent, consent_of, opted_out, record_consent
from service.store.store import Store
from tests.stack import SMS_FROM, Stack
from tests.telnyx_events import envelope, finalized_rcs, fresh_number, received_rcs, received_sms

NUMBER = "+13125550101"
NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)


def said(payload: dict[str, Any], also: tuple[str, ...] = ()) -> str | None:
    words = words_of("message.received", payload, NOON, normalise_all(also), now=NOON.timestamp())
    return words[0].said if words else None


def tapped(text: str, postback: str) -> dict[str, Any]:
    return {**received_rcs(NUMBER, ""), "body": {"suggestion_response": {"text": text, "postback_data": postback}}}


@pytest.mark.parametrize(
    "word", ["STOP", "stop", " Stop. ", "STOPALL", "stop  all", "Unsubscribe", "CANCEL", "End", "quit!"]
)
def test_an_opt_out_word_is_heard_on_every_channel(word: str) -> None:
    coded = base64.b64encode(word.encode()).decode()
    whatsapp = {**received_rcs(NUMBER, ""), "type": "WHATSAPP", "body": {"text": {"body": word}}}
    for payload in (
        received_sms(NUMBER, word),
        received_rcs(NUMBER, word),
        whatsapp,
        tapped(word, "x"),
        tapped("No more messages", word),
        tapped("No more messages", coded),
    ):
        assert said(payload) == "out"


@pytest.mark.parametrize(
    ("payload", "heard"),
    [
        (received_sms(NUMBER, "please leave me alone", autoresponse_type="STOP"), "out"),
        (received_sms(NUMBER, "Stop it, please"), None),
        (received_sms(NUMBER, "unstop"), "in"),
        (received_sms(NUMBER, "START"), "in"),
        (received_sms(NUMBER, "yes", autoresponse_type="START"), "in"),
        (received_sms(NUMBER, "HELP", autoresponse_type="HELP"), None),
        (received_sms(NUMBER, "start", autoresponse_type="STOP"), "out"),
        (tapped("Start", "STOP"), "out"),
        (tapped("Book a table", "not base64!"), None),
        ({**received_sms(NUMBER, "STOP"), "direction": "outbound"}, None),
        ({**received_sms(NUMBER, "STOP"), "from": None}, None),
    ],
)  # fmt: skip
def test_what_is_heard_of_a_message(payload: dict[str, Any], heard: str | None) -> None:
    assert said(payload) == heard


def test_a_policy_adds_words() -> None:
    assert said(received_sms(NUMBER, "Arrêt"), ("ARRÊT",)) == "out"
    assert said(received_sms(NUMBER, "Arrêt")) is None


def test_a_start_without_any_time_lifts_nothing() -> None:
    message = {**received_sms(NUMBER, "START"), "received_at": None}
    assert words_of("message.received", message, None, now=0) == ()
    assert words_of("message.received", {**message, "text": "STOP"}, None, now=0) == (
        ConsentChange(NUMBER, "out", None),
    )


def test_keywords_are_telnyx_s_to_answer() -> None:
    assert is_keyword(received_sms(NUMBER, "info"))
    assert is_keyword(received_sms(NUMBER, "\u201cHelp!\u201d"))
    assert not is_keyword(received_sms(NUMBER, "Are you open?"))


def test_a_payload_that_does_not_fit_says_nothing_and_stops_no_reception() -> None:
    payloads: list[Any] = [{"text": ["STOP"]}, None, {"from": 5, "text": "STOP"}, [], "STOP"]
    for payload in payloads:
        body = envelope("message.received", payload)
        assert read_envelope(orjson.dumps(body)).words == ()


WORDS = st.lists(st.tuples(st.sampled_from(["out", "in"]), st.integers(1, 5)), min_size=1, max_size=8)


async def heard(redis_url: str, words: list[tuple[Any, int]]) -> Consent:
    """What is known of a fresh number after these words, in this order."""
    number = fresh_number()
    async with connect(redis_url, timeout=5, connections=1) as redis:
        store = Store(redis, f"words{uuid.uuid4().hex}", PLAIN)
        for said_, at in words:
            await record_consent(store, [ConsentChange(number, said_, at)], now=0)
        return await consent_of(store, number)


@settings(max_examples=60, deadline=None)
@given(words=WORDS, data=st.data())
def test_neither_order_nor_repetition_of_words_matters(
    redis_url: str, words: list[tuple[Any, int]], data: st.DataObject
) -> None:
    shuffled = data.draw(st.permutations(words + data.draw(st.lists(st.sampled_from(words)))))
    one, other = (asyncio.run(heard(redis_url, order)) for order in (words, shuffled))
    assert one == other
    latest_out = max((at for said_, at in words if said_ == "out"), default=0)
    latest_in = max((at for said_, at in words if said_ == "in"), default=0)
    assert one.opted_out == (latest_out > 0 and latest_out >= latest_in)


def test_a_stop_holds_from_the_moment_its_event_is_accepted(stack: Stack) -> None:
    """The worker starts when everything is there, and may take it up in any order, side by side."""
    number = fresh_number()
    failures = [envelope("message.finalized", finalized_rcs("delivery_failed", number)) for _ in range(20)]
    stop = envelope("message.received", received_rcs(number, "Stop"))
    for event in (*failures[:10], stop, *failures[10:]):
        assert stack.deliver(event).status_code == 200
    assert stack.ask(lambda store: opted_out(store, number))

    stack.start_worker(built_in)
    assert {stack.ended(event).handlers["sms_fallback"].reason for event in failures} == {"opted_out"}
    assert stack.ended(stop).handlers["consent"].reason is None
    assert stack.sent_to(number) == []


@pytest.mark.parametrize("count", [10, pytest.param(40, marks=pytest.mark.slow)])
def test_whoever_said_stop_last_gets_no_sms_and_everybody_else_gets_one(stack: Stack, count: int) -> None:
    """Many numbers over HTTP, in any order of arrival; two workers find it all and share it."""
    rng = random.Random(7)
    numbers = [fresh_number() for _ in range(count)]
    last_words, events = {}, []
    for number in numbers:
        words = [rng.choice(("STOP", "START")) for _ in range(rng.randint(0, 3))]
        last_words[number] = words[-1] if words else None
        events.append(envelope("message.finalized", finalized_rcs("delivery_failed", number)))
        for second, text in enumerate(words):
            said_at = f"2026-01-05T12:00:0{second}Z"
            said_ = rng.choice((received_sms, received_rcs))(number, text)
            events.append(envelope("message.received", {**said_, "received_at": said_at}))
    rng.shuffle(events)
    for event in events:
        assert stack.deliver(event).status_code == 200

    for _ in range(2):
        stack.start_worker(built_in)
    for event in events:
        stack.ended(event)
    sent = {number: len(stack.sent_to(number)) for number in numbers}
    assert sent == {number: int(last_words[number] != "STOP") for number in numbers}


def test_an_old_stop_that_arrives_late_does_not_undo_a_start(stack: Stack) -> None:
    number = fresh_number()
    stop = received_sms(number, "STOP", received_at="2026-01-05T12:00:00Z")
    start = received_sms(number, "START", received_at="2026-01-05T12:00:01Z")
    for payload in (start, stop):
        assert stack.deliver(envelope("message.received", payload)).status_code == 200
    assert not stack.ask(lambda store: opted_out(store, number))


@pytest.mark.parametrize("status", [400, 403, 409])
def test_a_refusal_by_telnyx_is_an_opt_out_for_every_profile(stack: Stack, status: int) -> None:
    """The code counts, not the status: reports of it differ."""
    stack.start_worker(built_in)
    number = fresh_number()
    stack.simulator.add_fault(kind="status", status=status, code="40300", recipient=number)
    refused = envelope("message.finalized", finalized_rcs("delivery_failed", number))
    stack.deliver(refused)
    record = stack.ended(refused)
    assert (record.state, record.handlers["sms_fallback"].reason) == ("dead", "40300")

    other = envelope("message.finalized", finalized_rcs("delivery_failed", number, messaging_profile_id="other"))
    stack.deliver(other)
    assert stack.ended(other).handlers["sms_fallback"].reason == "opted_out"
    assert stack.ask(lambda store: consent_of(store, number)).said.source == "40300"
    assert len([each for each in stack.simulator.requests if each.method == "POST"]) == 1


def test_each_recipient_s_refusal_is_heeded_even_if_a_handler_swallows_it(stack: Stack) -> None:
    router, numbers = Router(), [fresh_number(), fresh_number()]

    @router.on("test.send")
    async def swallows(event: Event, ctx: Context) -> None:
        for number in numbers:
            with suppress(APIError):
                await ctx.telnyx.messages.send(to=number, from_=SMS_FROM, text="hello")

    for number in numbers:
        stack.simulator.add_fault(kind="status", status=403, code="40300", recipient=number)
    stack.start_worker(router)
    event = envelope("test.send", {})
    stack.deliver(event)
    assert stack.ended(event).state == "done"

    async def all_opted_out(store: Store) -> list[bool]:
        return [await opted_out(store, number) for number in numbers]

    assert stack.ask(all_opted_out) == [True, True]


def test_a_refusal_answered_from_the_ledger_does_not_undo_a_later_start(stack: Stack) -> None:
    router, number = Router(), fresh_number()

    @router.on("test.send")
    async def twice(event: Event, ctx: Context) -> None:
        with suppress(APIError):
            await ctx.telnyx.messages.send(to=number, from_=SMS_FROM, text="hello")
        if ctx.attempt == 1:
            start = ConsentChange(number, "in", clock.now() + 0.001)
            await record_consent(ctx.services.store, [start], now=0)
            raise ValueError

    stack.simulator.add_fault(kind="status", status=403, code="40300", recipient=number)
    stack.start_worker(router)
    event = envelope("test.send", {})
    stack.deliver(event)
    assert stack.ended(event).state == "done"
    assert not stack.ask(lambda store: opted_out(store, number))
    assert len(stack.simulator.requests) == 1


def test_a_number_is_the_same_however_it_is_written(stack: Stack) -> None:
    stop = ConsentChange("1 (312) 555-0101", "out", 1.0)
    stack.ask(lambda store: record_consent(store, [stop], now=0))
    assert stack.ask(lambda store: opted_out(store, "13125550101"))
    assert not stack.ask(lambda store: opted_out(store, "+13125550102"))


def test_a_stop_calls_off_what_was_waiting_when_it_came_even_if_a_start_follows(stack: Stack) -> None:
    router = Router()

    @router.on("test.ask")
    async def asks(event: Event, ctx: Context) -> None:
        now = await ctx.opted_out(number)
        waited = await ctx.opted_out(number, since=datetime.fromtimestamp(event.payload["since"], UTC))
        raise Discard(f"{now} {waited}")

    stack.start_worker(router)
    number = fresh_number()
    words = [ConsentChange(number, "out", 100.0), ConsentChange(number, "in", 200.0)]
    stack.ask(lambda store: record_consent(store, words, now=0))
    for since, answer in ((50, "False True"), (100, "False True"), (150, "False False")):
        event = envelope("test.ask", {"since": since})
        stack.deliver(event)
        assert stack.ended(event).handlers["asks"].reason == answer


def test_only_a_person_lifts_what_a_person_put(stack: Stack) -> None:
    async def after(store: Store, *changes: ConsentChange) -> list[bool]:
        found = []
        for change in changes:
            await record_consent(store, [change], now=0)
            found.append(await opted_out(store, change.number))
        return found

    by_person, by_message = fresh_number(), fresh_number()
    changes = [ConsentChange(by_person, "out", 1.0, "operator"), ConsentChange(by_person, "in", 2.0)]
    changes += [ConsentChange(by_person, "in", 3.0, "operator")]
    changes += [ConsentChange(by_message, "out", 1.0), ConsentChange(by_message, "in", 2.0)]
    changes += [ConsentChange(by_message, "out", 3.0), ConsentChange(by_message, "in", 4.0, "operator")]
    assert stack.ask(lambda store: after(store, *changes)) == [True, True, False, True, False, True, False]
