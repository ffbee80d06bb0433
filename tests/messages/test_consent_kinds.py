"""A START lifts what the number said; what a person put there, a person lifts."""

from datetime import UTC, datetime
from typing import get_args

import pytest

from handlers import consent
from service import clock
from service.events.consent import AHEAD, ConsentChange, Source
from service.store.facts.consent import consent_of, opt_outs, opted_out, record_consent
from service.store.store import Store
from tests.stack import Stack
from tests.telnyx_events import envelope, fresh_number, received_sms

NOON = 1_767_614_400.0
BY_PERSON = ("operator", "import")


def tell(stack: Stack, *words: ConsentChange) -> None:
    stack.ask(lambda store: record_consent(store, words, now=0))


def is_out(stack: Stack, number: str) -> bool:
    return stack.ask(lambda store: opted_out(store, number))


@pytest.mark.parametrize("text", ["START", "unstop"])
@pytest.mark.parametrize("source", get_args(Source))
def test_a_start_lifts_what_the_number_said_and_nothing_else(stack: Stack, source: Source, text: str) -> None:
    number = fresh_number()
    tell(stack, ConsentChange(number, "out", NOON, source))
    assert stack.deliver(envelope("message.received", received_sms(number, text))).status_code == 200
    assert is_out(stack, number) == (source in BY_PERSON)
    tell(stack, ConsentChange(number, "in", NOON + 10**9, "operator"))
    assert not is_out(stack, number)


@pytest.mark.parametrize("put", BY_PERSON)
@pytest.mark.parametrize("said", sorted({*get_args(Source)} - {*BY_PERSON}))
@pytest.mark.parametrize("later", ["put", "said"])
def test_what_a_person_put_there_is_not_hidden_by_what_the_number_says(
    stack: Stack, put: Source, said: Source, later: str
) -> None:
    number = fresh_number()
    words = [
        ConsentChange(number, "out", NOON + (later == "put"), put),
        ConsentChange(number, "out", NOON + (later == "said"), said),
    ]
    tell(stack, *words, ConsentChange(number, "in", NOON + 5))
    assert is_out(stack, number)
    known = stack.ask(lambda store: consent_of(store, number))
    assert known.in_force is not None
    assert known.in_force.source == put
    tell(stack, ConsentChange(number, "in", NOON + 6, "operator"), ConsentChange(number, "out", NOON + 7))
    assert is_out(stack, number), "a later STOP counts again"
    tell(stack, ConsentChange(number, "in", NOON + 8))
    assert not is_out(stack, number)


@pytest.mark.parametrize("ahead", [3, 300, 10**9])
def test_a_word_from_a_clock_ahead_makes_no_later_opt_out_an_older_one(stack: Stack, ahead: float) -> None:
    number = fresh_number()
    tell(stack, ConsentChange(number, "out", NOON), ConsentChange(number, "in", clock.now() + ahead))
    assert not is_out(stack, number)
    tell(stack, ConsentChange(number, "out", clock.now() + AHEAD))
    assert is_out(stack, number)


def test_a_start_from_a_clock_ahead_that_is_handled_late_lifts_no_stop_that_came_meanwhile(stack: Stack) -> None:
    number = fresh_number()
    start = envelope("message.received", received_sms(number, "START", received_at=said_at(clock.now() + 600)))
    stack.deliver(start)
    tell(stack, ConsentChange(number, "out", clock.now() + AHEAD))
    stack.start_worker(consent.router)
    stack.ended(start)
    assert is_out(stack, number)


def test_an_ingress_whose_clock_is_behind_keeps_the_order_of_words(stack: Stack) -> None:
    number, real = fresh_number(), clock.now()
    with clock.moved(lambda: real - 120):
        for place, word in enumerate(("STOP", "START", "STOP")):
            message = received_sms(number, word, received_at=said_at(real - 3 + place))
            stack.deliver(envelope("message.received", message), at=real - 120)
            assert is_out(stack, number) == (word == "STOP")


def said_at(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat()


def test_nothing_is_kept_of_what_is_no_number(stack: Stack) -> None:
    tell(
        stack,
        *(ConsentChange(text, "out", NOON) for text in ("", "MYBANK", "jane@example.com", "US.13491208655302741918")),
    )

    async def known(store: Store) -> list[str]:
        return [each.number async for each in opt_outs(store)]

    assert stack.ask(known) == []
    assert not is_out(stack, "MYBANK")


@pytest.mark.parametrize("spelt", ["1 312-555-0{}", "001312555-0{}", "+1 (312) 555 0{}", "\u202a+13125550{}\u202c"])
def test_a_stop_counts_for_every_spelling(stack: Stack, spelt: str) -> None:
    rest = "411"
    stop = received_sms(spelt.format(rest), "STOP")
    assert stack.deliver(envelope("message.received", stop)).status_code == 200
    assert is_out(stack, f"+13125550{rest}")
