"""`ctx.reply` goes to few countries and so often an hour, whoever writes; the rest is false, counted and told once."""

from collections.abc import Iterator
from typing import Any

import pytest

from service.messages.reply import REPLIES_REFUSED
from service.outbound.phone_numbers import one_spelling
from service.store.connection import server_time
from service.store.facts.notices import take
from service.store.facts.remembered import has_sent_to, note_sent
from service.store.facts.replies import reason_against_answer
from service.store.store import Store
from tests.messages.whatsapp_replies import Replies
from tests.stack import SMS_FROM, Host, Stack, open_stack
from tests.telnyx_events import envelope, finalized_rcs, fresh_number, received_rcs, received_sms
from tests.waiting import wait_for

PREMIUM = [f"+3719{each:07}" for each in range(300)]


@pytest.fixture
def told_stack(host: Host) -> Iterator[Stack]:
    with open_stack(host, notify="json://127.0.0.1:9/", replies_per_hour=3) as stack:
        yield stack


def refused(reason: str) -> float:
    return float(REPLIES_REFUSED.labels(reason)._value.get())


def ask_all(stack: Stack, *bodies: Any, **changes: Any) -> list[bool]:
    """What `ctx.reply` said to each, one after another."""
    replies = Replies()
    stack.start_worker(replies.router, **changes)
    for body in bodies:
        assert stack.deliver(body).status_code == 200
        assert stack.ended(body).handlers["replies"].state == "done"
    return replies.told


def texts(*numbers: str, **changes: Any) -> list[Any]:
    return [envelope("message.received", received_sms(each, "Hi", **changes)) for each in numbers]


def answers(stack: Stack) -> int:
    return len([each for each in stack.simulator.requests if each.method == "POST"])


@pytest.mark.slow
def test_a_premium_range_abroad_gets_no_answer(stack: Stack) -> None:
    before = refused("abroad")
    replies = Replies()
    stack.start_worker(replies.router)
    bodies = texts(*PREMIUM)
    for body in bodies:
        assert stack.deliver(body).status_code == 200
    for body in bodies:
        assert stack.ended(body).state == "done"
    assert (answers(stack), refused("abroad") - before, set(replies.told)) == (0, 300, {False})


def test_beyond_the_budget_it_is_false_and_a_person_is_told_once(told_stack: Stack) -> None:
    before = refused("over_budget")
    told = ask_all(told_stack, *texts(*(fresh_number() for _ in range(8))))
    assert told == [True] * 3 + [False] * 5
    assert (answers(told_stack), refused("over_budget") - before) == (3, 5)
    [notice] = wait_for(lambda: told_stack.ask(take))
    assert "RINGBACK_REPLIES_PER_HOUR" in notice.cause
    assert sum(notice.entries.values()) == 1


def test_several_workers_share_the_budget(stack: Stack) -> None:
    replies = Replies()
    for _ in range(3):
        stack.start_worker(replies.router, replies_per_hour=5)
    bodies = texts(*(fresh_number() for _ in range(30)))
    for body in bodies:
        assert stack.deliver(body).status_code == 200
    for body in bodies:
        assert stack.ended(body).state == "done"
    assert answers(stack) == 5


def test_what_telnyx_refuses_is_given_back(stack: Stack) -> None:
    stack.simulator.add_fault(kind="status", status=400, code="40310", path="/messages", times=2)
    replies = Replies()
    stack.start_worker(replies.router, replies_per_hour=1, max_attempts=1)
    bodies = texts(*(fresh_number() for _ in range(4)))
    states = []
    for body in bodies:
        assert stack.deliver(body).status_code == 200
        states.append(stack.ended(body).handlers["replies"].state)
    assert states == ["dead", "dead", "done", "done"]
    assert replies.told == [True, False]


def test_the_countries_of_the_variable_are_the_ones_that_replies_go_to(stack: Stack) -> None:
    told = ask_all(stack, *texts("+37129123456", fresh_number()), reply_countries=frozenset({"LV"}))
    assert told == [True, False]


def test_a_region_that_we_sent_to_may_be_answered_and_one_that_we_answered_by_whatsapp_may_not(stack: Stack) -> None:
    sent = envelope("message.finalized", finalized_rcs("delivered", "+37129123456"))
    whatsapp = envelope("message.finalized", {**finalized_rcs("delivered", "+4915112345678"), "type": "WHATSAPP"})
    replies = Replies()

    @replies.router.on("message.finalized")
    async def look(event: Any, ctx: Any) -> None:
        pass

    stack.start_worker(replies.router)
    bodies = [sent, whatsapp, *texts("+37129123457", "+4915112345679")]
    for body in bodies:
        assert stack.deliver(body).status_code == 200
        assert stack.ended(body).state == "done"
    assert replies.told == [True, False]


def test_a_region_is_forgotten_with_the_retention(stack: Stack) -> None:
    async def look(store: Store) -> list[bool]:
        await note_sent(store, ["LV"])
        return [await has_sent_to(store, "LV", within=each) for each in (60, -1)]

    assert stack.ask(look) == [True, False]


def test_rcs_goes_to_the_countries_of_the_profiles_numbers(stack: Stack) -> None:
    bodies = [envelope("message.received", received_rcs(each, "Hi")) for each in ("+37129123456", fresh_number())]
    profiles = stack.simulator.account.profiles
    profiles.assign(SMS_FROM, profiles.default_id)
    for body in bodies:
        body["data"]["payload"]["messaging_profile_id"] = profiles.default_id
    assert ask_all(stack, *bodies) == [False, True]
    asked = [each.path for each in stack.simulator.requests if each.method == "GET"]
    assert asked == [f"/messaging_profiles/{profiles.default_id}/{kind}" for kind in ("phone_numbers", "short_codes")]


def test_answers_of_more_than_an_hour_ago_are_no_loop(stack: Stack) -> None:
    number, hour = fresh_number(), 3600

    def asked(key: str) -> str | None:
        return stack.ask(
            lambda store: reason_against_answer(store, number, effect_key=key, limit=3, budget=99, window=hour)
        )

    async def given(store: Store, *ages: float) -> None:
        at = await server_time(store.redis)
        name = store.keys.replies(store.encryption.forms(number)[0])
        await store.redis.zadd(name, {f"{age} s ago": at - age * 1000 for age in ages})

    # Somebody who is answered every twenty minutes is no machine. The answers of the last hour are counted.
    stack.ask(lambda store: given(store, hour + 1, hour + 1200, 1200, 2400))
    assert [asked(key) for key in ("a", "b", "a")] == [None, "loop", None]


def test_spellings_of_one_number_are_one() -> None:
    assert len({one_spelling(each) for each in ("+441711234567", "+4401711234567")}) == 1
    assert one_spelling(SMS_FROM) == SMS_FROM
    assert one_spelling("US.123") == "US.123"
