"""Telnyx's own list of opt-outs, read over HTTP from the local Telnyx."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

import pytest
from telnyx import APIError, AsyncTelnyx
from telnyx.types.messaging_optout_list_response import MessagingOptoutListResponse

from service import clock
from service.events.consent import ConsentChange
from service.messages import opt_out_list
from service.messages.opt_out_list import ListReading, read_opt_outs, reading_opt_outs
from service.outbound.client import open_reader
from service.store.connection import server_time
from service.store.facts.consent import Consent, Opposed, consent_of, record_consent
from service.store.facts.opt_out_reads import list_read_at, note_list_read
from service.testing.simulator.messages.inbound import ReceivedOptOut
from tests.stack import Stack
from tests.telnyx_events import fresh_number
from tests.waiting import wait_for

T = TypeVar("T")

SAID_AT = datetime(2026, 1, 5, 12, tzinfo=UTC).timestamp()


def listed(stack: Stack, *numbers: str, at: float = SAID_AT, profile: str = "profile-1") -> None:
    for number in numbers:
        stack.simulator.account.opt_outs.put(ReceivedOptOut("+13125550199", number, "STOP", profile, at))


def asked(stack: Stack, work: Callable[[AsyncTelnyx], Awaitable[T]]) -> T:
    async def ask() -> T:
        async with open_reader(stack.settings) as telnyx:
            return await work(telnyx)

    return stack.host.portal.call(ask)


def later_by(seconds: float) -> Callable[[Any], Awaitable[int]]:
    """A clock of Redis that is so much later."""

    async def later(redis: Any) -> int:
        return await server_time(redis) + int(seconds * 1000)

    return later


def read(stack: Stack) -> ListReading:
    return asked(stack, lambda telnyx: read_opt_outs(telnyx, stack.store))


def known(stack: Stack, number: str) -> Consent:
    return stack.ask(lambda store: consent_of(store, number))


def test_all_pages_are_read_and_every_opt_out_is_known_with_its_time(stack: Stack) -> None:
    numbers = [f"+1312555{each:04d}" for each in range(601)]
    listed(stack, *numbers)

    assert read(stack) == ListReading(numbers=601, new=601)
    assert known(stack, numbers[0]) == known(stack, numbers[600]) == Consent(Opposed(SAID_AT, None, "telnyx_list"))
    pages = [each.query["page[number]"] for each in stack.simulator.requests if "page[number]" in each.query]
    assert pages[-2:] == ["2", "3"]
    assert read(stack) == ListReading(numbers=601, new=0)


def test_a_start_that_came_after_the_listed_stop_stays(stack: Stack) -> None:
    number = fresh_number()
    later = ConsentChange(number, "in", SAID_AT + 60)
    stack.ask(lambda store: record_consent(store, [later], now=0))
    listed(stack, number)

    assert read(stack).numbers == 1
    assert not known(stack, number).opted_out


def test_a_number_that_has_gone_from_the_list_is_not_lifted(stack: Stack) -> None:
    number = fresh_number()
    listed(stack, number)
    read(stack)
    stack.simulator.account.opt_outs.lift("profile-1", number)

    assert read(stack) == ListReading()
    assert known(stack, number).opted_out


@pytest.mark.parametrize(
    ("row", "word"),
    [
        (
            {"to": "+13125550101", "created_at": "2026-01-05 12:00:00.000000"},
            ConsentChange("+13125550101", "out", SAID_AT, "telnyx_list"),
        ),
        (
            {"to": "+13125550101", "created_at": "2026-01-05T12:00:00Z"},
            ConsentChange("+13125550101", "out", SAID_AT, "telnyx_list"),
        ),
        ({"to": "+13125550101"}, ConsentChange("+13125550101", "out", None, "telnyx_list")),
        ({"to": "+1312555****", "created_at": "2026-01-05T12:00:00Z"}, None),
        ({"created_at": "2026-01-05T12:00:00Z"}, None),
    ],
    ids=["published form, in UTC", "ISO 8601", "no time", "redacted", "no number"],
)
def test_a_row_is_read_in_the_forms_that_telnyx_publishes(row: dict[str, str], word: ConsentChange | None) -> None:
    parsed = MessagingOptoutListResponse.model_validate(row)
    assert opt_out_list._change(parsed) == word


@pytest.mark.parametrize("row", [None, "+13125550101", [], 5])
def test_a_row_that_is_none_hides_no_other(row: Any) -> None:
    assert opt_out_list._change(row) is None


def test_a_failing_page_keeps_what_was_read_and_says_so(stack: Stack) -> None:
    numbers = [f"+1312556{each:04d}" for each in range(260)]
    listed(stack, *numbers)
    stack.simulator.add_fault(kind="status", status=503, path="/messaging_optouts", times=None, rate=1.0)
    with pytest.raises(APIError):
        read(stack)
    assert stack.ask(list_read_at) == (None, None)
    stack.simulator.clear_faults()
    assert read(stack).numbers == 260
    assert None not in stack.ask(list_read_at)


def test_it_is_read_at_the_start_of_a_worker_in_spite_of_an_outage_and_again_after_a_day(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opt_out_list, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(opt_out_list, "LOOK", 0.01)
    at_start, a_day_later = fresh_number(), fresh_number()
    listed(stack, at_start)
    stack.simulator.add_fault(kind="status", status=503, path="/messaging_optouts", times=2)

    async def read_for(done: asyncio.Event) -> None:
        async with reading_opt_outs(stack.settings, stack.redis_url):
            await done.wait()

    done = stack.host.portal.call(_event)
    reading = stack.host.portal.start_task_soon(read_for, done)
    wait_for(lambda: known(stack, at_start).opted_out)
    listed(stack, a_day_later)
    requests = len(stack.simulator.requests)
    wait_for(lambda: None not in stack.ask(list_read_at))
    assert not known(stack, a_day_later).opted_out
    monkeypatch.setattr(opt_out_list, "server_time", later_by(86_401))
    wait_for(lambda: known(stack, a_day_later).opted_out)
    stack.host.portal.call(done.set)
    reading.result(timeout=5)
    assert len(stack.simulator.requests) == requests + 1, "once a day, not once a look"


def test_the_latest_rows_are_read_every_15_minutes_from_before_the_last_reading(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opt_out_list, "LOOK", 0.01)
    old, late = fresh_number(), fresh_number()

    async def read_for(done: asyncio.Event) -> None:
        async with reading_opt_outs(stack.settings, stack.redis_url):
            await done.wait()

    done = stack.host.portal.call(_event)
    reading = stack.host.portal.start_task_soon(read_for, done)
    wait_for(lambda: None not in stack.ask(list_read_at))
    whole_at, _ = stack.ask(list_read_at)
    assert whole_at is not None
    # Rows that Telnyx lists late. The daily reading finds the first one, too.
    listed(stack, old, at=whole_at - 7200)
    listed(stack, late, at=whole_at - 1800)
    monkeypatch.setattr(opt_out_list, "server_time", later_by(901))
    wait_for(lambda: known(stack, late).opted_out)
    stack.host.portal.call(done.set)
    reading.result(timeout=5)
    assert not known(stack, old).opted_out
    asked_since = [each.query.get("created_at[gte]") for each in stack.simulator.requests]
    assert asked_since[0] is None
    [since] = [each for each in asked_since if each]
    assert datetime.fromisoformat(since).timestamp() == pytest.approx(whole_at - 3600, abs=1)
    assert read(stack).numbers == 2


def test_a_worker_whose_clock_is_ahead_keeps_no_other_from_reading(stack: Stack) -> None:
    ahead = clock.now() + 2 * 86_400
    with clock.moved(lambda: ahead):
        read(stack)
    whole_at, latest_at = stack.ask(list_read_at)
    assert whole_at == latest_at == pytest.approx(clock.now(), abs=60)
    # As from a server whose clock was put back.
    stack.ask(lambda store: note_list_read(store, at=ahead, whole=True))
    assert stack.ask(opt_out_list._due) == opt_out_list._Due(None)


def test_a_reading_that_begins_after_the_last_one_leaves_no_gap(stack: Stack) -> None:
    read(stack)
    before = stack.ask(list_read_at)
    asked(stack, lambda telnyx: read_opt_outs(telnyx, stack.store, since=clock.now() + 60))
    assert stack.ask(list_read_at) == before


async def _event() -> asyncio.Event:
    return asyncio.Event()
