"""Status changes: each is raised once, however many look, by whatever way they learn, however long ago it was."""

import asyncio
import itertools
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.registrations.status_changes import Followed, Known, Reading, Status, new_changes
from service.store.facts.remembered import compare_and_set
from service.store.inbox.audit import audit
from service.store.inbox.search import EventFilter, search
from service.store.store import Store
from tests.stack import Stack

KIND = "toll_free_verification"
NEEDS_PERSON = frozenset({"Rejected", "Waiting For Customer"})
START = datetime(2026, 11, 1, tzinfo=UTC)
STATUSES = ["In Progress", "Waiting For Vendor", "Rejected", "Waiting For Customer", "Verified"]


def history(*statuses: str) -> list[Status]:
    return [Status(status, None, START + timedelta(hours=hour)) for hour, status in enumerate(statuses)]


def look(stack: Stack, entries: Sequence[Status], subject: str = "request-1") -> list[tuple[str | None, str]]:
    """One reading; answers what it raised."""

    async def read() -> Reading:
        return Reading(entries, {"business_name": "Acme"})

    async def raise_changes(store: Store) -> list[tuple[str | None, str]]:
        changes = await Followed(store, KIND, NEEDS_PERSON).raise_changes(subject, read)
        return [(change.previous, change.now.status) for change in changes]

    return stack.ask(raise_changes)


def raised(stack: Stack) -> list[str]:
    found = stack.ask(lambda store: search(store, limit=100, wanted=EventFilter(type=f"{KIND}.status_changed")))
    return sorted(record.id for record in found)


def test_the_first_sight_raises_only_what_needs_a_person(stack: Stack) -> None:
    assert look(stack, history("In Progress", "Verified"), "verified") == []
    assert look(stack, history("In Progress", "Rejected"), "rejected") == [("In Progress", "Rejected")]
    assert look(stack, history("Rejected"), "at-once") == [(None, "Rejected")]
    assert raised(stack) == [f"{KIND}:at-once:1", f"{KIND}:rejected:1"]


def test_each_step_since_the_last_reading_is_raised_once_in_its_order(stack: Stack) -> None:
    statuses = ["In Progress", "Waiting For Customer", "In Progress", "Verified"]
    assert look(stack, history(*statuses[:1])) == []
    expected = [
        ("In Progress", "Waiting For Customer"),
        ("Waiting For Customer", "In Progress"),
        ("In Progress", "Verified"),
    ]
    assert look(stack, history(*statuses)) == expected
    assert look(stack, history(*statuses)) == []
    assert len(raised(stack)) == 3
    assert stack.ask(audit).clean


def test_an_event_tells_what_changed(stack: Stack) -> None:
    entry = Status("Rejected", "No consent", START)
    look(stack, [entry])
    record = stack.record(f"{KIND}:request-1:1")
    assert record is not None
    assert record.body is not None
    assert b'"payload":{"id":"request-1","business_name":"Acme","previous":null,"status":"Rejected"' in record.body
    assert b'"reason":"No consent","changed_at":"2026-11-01T00:00:00+00:00"' in record.body


def test_another_reason_for_the_same_status_is_a_change(stack: Stack) -> None:
    first, second = Status("Rejected", "No consent", START), Status("Rejected", "Wrong EIN", START + timedelta(days=1))
    look(stack, [first])
    assert look(stack, [first, second]) == [("Rejected", "Rejected")]


def test_without_times_the_current_status_alone_decides(stack: Stack) -> None:
    for status, expected in [("pending", []), ("failed", [("pending", "failed")]), ("failed", [])]:
        assert look(stack, [Status(status)]) == expected
    assert look(stack, [Status("pending")]) == [("failed", "pending")]
    assert look(stack, [Status("failed")]) == [("pending", "failed")]
    assert len(raised(stack)) == 3


def test_many_who_look_at_once_raise_each_change_once(stack: Stack) -> None:
    look(stack, history(STATUSES[0]))

    async def read() -> Reading:
        await asyncio.sleep(0)
        return Reading(history(*STATUSES), {})

    async def together(store: Store) -> int:
        followed = Followed(store, KIND, NEEDS_PERSON)
        found = await asyncio.gather(*(followed.raise_changes("request-1", read) for _ in range(8)))
        return sum(map(len, found))

    assert stack.ask(together) == 4
    assert raised(stack) == [f"{KIND}:request-1:{number}" for number in (1, 2, 3, 4)]


def test_a_reading_that_was_overtaken_is_taken_again(stack: Stack) -> None:
    """A slow reader must not take the older status that it read for a change back."""
    readings = [Reading([Status("failed")], {}), Reading([Status("successful")], {})]

    async def overtaken(store: Store) -> list[str]:
        followed = Followed(store, KIND, NEEDS_PERSON)

        async def learn_at_once(status: str) -> None:
            async def read() -> Reading:
                return Reading([Status(status)], {})

            await followed.raise_changes("order", read)

        async def slow() -> Reading:
            if len(readings) == 2:
                await learn_at_once("failed")
                await learn_at_once("successful")
            return readings.pop(0)

        await learn_at_once("pending")
        return [change.now.status for change in await followed.raise_changes("order", slow)]

    assert stack.ask(overtaken) == []
    assert readings == []
    assert raised(stack) == [f"{KIND}:order:1", f"{KIND}:order:2"]


def test_what_was_learnt_meanwhile_is_not_overwritten(stack: Stack) -> None:
    async def both(store: Store) -> tuple[bool, bool]:
        one = await compare_and_set(store, KIND, "x", before=None, after=b"1")
        return one, await compare_and_set(store, KIND, "x", before=None, after=b"2")

    assert stack.ask(both) == (True, False)


@pytest.mark.parametrize("at", [START + timedelta(hours=1), START + timedelta(hours=1, minutes=5)])
def test_a_history_that_lags_and_catches_up_raises_nothing_twice(at: datetime) -> None:
    known = Known("Rejected", Status("Rejected").mark, at, 1)
    assert new_changes(known, history("In Progress", "Rejected"), NEEDS_PERSON) == []
    [change] = new_changes(known, history("In Progress", "Rejected", "Verified"), NEEDS_PERSON)
    assert (change.previous, change.now.status) == ("Rejected", "Verified")


@given(
    statuses=st.lists(st.sampled_from(STATUSES), min_size=1, max_size=12),
    lengths=st.lists(st.integers(0, 12), max_size=6),
    same_time=st.booleans(),
)
def test_however_often_a_history_is_read_its_steps_are_those_of_one_reading(
    *, statuses: list[str], lengths: list[int], same_time: bool
) -> None:
    """Reading at any moments gives the steps that reading after each entry gives, even if entries share their time."""
    times = [START if same_time else START + timedelta(hours=hour) for hour in range(len(statuses))]
    entries = [Status(status, str(number), at) for number, (status, at) in enumerate(zip(statuses, times, strict=True))]
    known = Known(entries[0].status, entries[0].mark, entries[0].at, 0)
    steps = []
    for length in [*sorted(lengths), len(entries)]:
        for change in new_changes(known, entries[:length], NEEDS_PERSON):
            steps.append((change.previous, change.now.status))
            known = Known(change.now.status, change.now.mark, change.now.at, 0)
    assert steps == list(itertools.pairwise(statuses))
