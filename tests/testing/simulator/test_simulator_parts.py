"""Small parts of the simulator, by themselves."""

import asyncio
from datetime import UTC, datetime

import pytest
from anyio import wait_all_tasks_blocked

from service import clock
from service.cli.run import simulator as simulator_command
from service.testing.simulator import Simulator
from service.testing.simulator.api.api_error import ApiError
from service.testing.simulator.api.call import OperationCall, RequestLog
from service.testing.simulator.api.fields import is_alphanumeric, is_e164, is_sender, is_toll_free
from service.testing.simulator.background import Background
from service.testing.simulator.identifiers import Identifiers
from service.testing.simulator.messages.detail_records import days
from service.testing.simulator.messages.message import encoding_of, parts_of
from service.testing.simulator.simulated_clock import SimulatedClock, iso, read_iso

NOW = datetime(2026, 11, 22, 15, 30, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("content", "encoding", "parts"),
    [
        ("", "GSM-7", 1),
        ("x" * 160, "GSM-7", 1),
        ("x" * 161, "GSM-7", 2),
        ("x" * 306, "GSM-7", 2),
        ("x" * 307, "GSM-7", 3),
        ("€" * 80, "GSM-7", 1),
        ("€" * 81, "GSM-7", 2),
        ("ж" * 70, "UCS-2", 1),
        ("ж" * 71, "UCS-2", 2),
        ("😀" * 35, "UCS-2", 1),
        ("😀" * 36, "UCS-2", 2),
    ],
)
def test_a_text_is_split_as_its_encoding_needs(content: str, encoding: str, parts: int) -> None:
    assert encoding_of(content) == encoding
    assert parts_of(content, encoding) == parts


@pytest.mark.parametrize(
    ("name", "begin", "end"),
    [
        ("today", "2026-11-22", "2026-11-23"),
        ("yesterday", "2026-11-21", "2026-11-22"),
        ("tomorrow", "2026-11-23", "2026-11-24"),
        ("this_week", "2026-11-16", "2026-11-23"),
        ("last_week", "2026-11-09", "2026-11-16"),
        ("next_week", "2026-11-23", "2026-11-30"),
        ("this_month", "2026-11-01", "2026-12-01"),
        ("last_month", "2026-10-01", "2026-11-01"),
        ("next_month", "2026-12-01", "2027-01-01"),
        ("last_7_days", "2026-11-15", "2026-11-23"),
    ],
)
def test_a_range_of_days_has_a_name(name: str, begin: str, end: str) -> None:
    assert days(name, NOW) == (read_iso(begin), read_iso(end))


def test_a_range_of_days_that_has_no_name_is_refused() -> None:
    with pytest.raises(ApiError):
        days("this_year", NOW)


@pytest.mark.parametrize(
    ("address", "e164", "sender", "alphanumeric", "toll_free"),
    [
        ("+13125550001", True, True, False, False),
        ("+18775550001", True, True, False, True),
        ("13125550001", False, False, False, False),
        ("+0312555", False, False, False, False),
        ("12345", False, True, False, False),
        ("ACME", False, True, True, False),
        ("ACME AND SONS INC", False, False, False, False),
    ],
)
def test_an_address_has_one_form(
    address: str,
    e164: bool,  # noqa: FBT001 - a column of the table
    sender: bool,  # noqa: FBT001
    alphanumeric: bool,  # noqa: FBT001
    toll_free: bool,  # noqa: FBT001
) -> None:
    told = (is_e164(address), is_sender(address), is_alphanumeric(address), is_toll_free(address))
    assert told == (e164, sender, alphanumeric, toll_free)


def test_the_simulated_time_is_the_services_plus_an_offset() -> None:
    simulated = SimulatedClock()
    with clock.moved(lambda: NOW):
        assert simulated.now() == NOW
        simulated.advance(3600)
        assert simulated.iso() == "2026-11-22T16:30:00.000+00:00"
        simulated.set(NOW - 60)
        assert simulated.now() == NOW - 60
        simulated.reset()
        assert simulated.now() == NOW


def test_a_date_without_an_offset_is_utc() -> None:
    assert read_iso("2026-11-22T15:30:00") == read_iso("2026-11-22T16:30:00+01:00") == NOW
    assert read_iso(iso(NOW)) == NOW


@pytest.mark.anyio
async def test_who_waits_for_a_time_goes_on_when_the_clock_is_moved_there() -> None:
    simulated = SimulatedClock()
    waiting = asyncio.create_task(simulated.until(simulated.now() + 3600))
    await wait_all_tasks_blocked()
    simulated.advance(3599)
    await wait_all_tasks_blocked()
    assert not waiting.done()
    await asyncio.to_thread(simulated.advance, 2)
    await asyncio.wait_for(waiting, 5)


def test_each_kind_of_identifier_has_its_own_sequence() -> None:
    one, other = Identifiers(7), Identifiers(7)
    other.uuid("event")
    assert one.uuid("message") == other.uuid("message")
    assert one.uuid("message") != one.uuid("message")
    assert one.digits("code", 6).isdecimal()
    assert Identifiers(8).uuid("message") != Identifiers(7).uuid("message")


@pytest.mark.anyio
async def test_work_that_fails_in_the_background_is_logged_and_stops_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    background, done = Background(), asyncio.Event()

    async def fails() -> None:
        raise ValueError("no")

    async def works() -> None:
        done.set()

    background.start(fails)
    async with background.running():
        background.start(works)
        await asyncio.wait_for(done.wait(), 5)
    assert "work in the background failed" in caplog.text


def test_a_bounded_log_keeps_the_last_requests_and_passes_over_the_end_of_an_earlier_one() -> None:
    log = RequestLog(2)
    first, *_ = [log.begin(OperationCall("GET", f"/{number}"), NOW) for number in range(3)]
    log.end(first, status=200)
    assert [(each.path, each.status) for each in log.matching()] == [("/1", None), ("/2", None)]


def names_of(simulator: Simulator) -> tuple[list[str], list[str]]:
    """The ids of the profiles, and those of an inbound message and of its event."""
    simulator.receive(sender="+13125550102", to="+13125550101", text="Hi")
    profiles = [each.id for each in simulator.account.profiles]
    return profiles, [each.id for each in simulator.account.messages]


def test_the_command_gives_messages_other_ids_at_each_start_and_reset_unless_a_seed_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    started: list[Simulator] = []
    monkeypatch.setattr(simulator_command, "serve", lambda local, **_: started.append(local))
    for seed in (None, None, 0, 0):
        simulator_command.simulator(seed=seed)
    profiles, messages = zip(*map(names_of, started), strict=True)
    assert [each == profiles[0] for each in profiles] == [True] * 4
    assert {each.public_key for each in started} == {Simulator().public_key}
    assert messages[2] == messages[3]
    started[0].reset()
    assert len({*map(str, (*messages, names_of(started[0])[1]))}) == 4
