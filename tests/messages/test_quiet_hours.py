"""Quiet hours by the clocks of wherever a number may lie."""

from datetime import UTC, datetime, time
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st
from phonenumbers.tzdata import TIMEZONE_DATA

from service.messages.policy import QuietHours
from service.messages.quiet_hours import LOOKED_AHEAD, opens_at
from service.outbound.phone_numbers import country_of, time_zones_of

NIGHT = (time(21), time(8))
CHICAGO = "+13125550101"
TOLL_FREE = "+18005550101"


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def quiet(**given: str) -> QuietHours:
    return QuietHours.model_validate({"from": "21:00", "to": "08:00", **given})


@pytest.mark.parametrize(
    ("now", "opens"),
    [
        ("2026-11-22T18:00", "2026-11-22T18:00"),  # noon in Chicago
        ("2026-11-23T02:59", "2026-11-23T02:59"),  # 20:59
        ("2026-11-23T03:00", "2026-11-23T14:00"),  # 21:00, until 8:00
        ("2026-11-22T13:59", "2026-11-22T14:00"),  # 7:59
        ("2026-03-08T07:30", "2026-03-08T13:00"),  # the night in which clocks go forward
        ("2026-11-01T04:30", "2026-11-01T14:00"),  # the night in which they go back
    ],
)
def test_the_morning_is_that_of_the_recipient(now: str, opens: str) -> None:
    assert quiet().opens_at(CHICAGO, at(now)) == at(opens)


def test_the_strictest_of_several_zones_decides() -> None:
    # Spain's mobile numbers may be on the Canary Islands, an hour behind.
    assert {zone.key for zone in time_zones_of("+34612345678")} == {"Atlantic/Canary", "Europe/Madrid"}
    assert quiet().opens_at("+34612345678", at("2026-11-22T19:30")) == at("2026-11-22T19:30")
    assert quiet().opens_at("+34612345678", at("2026-11-22T20:30")) == at("2026-11-23T08:00")
    assert quiet().opens_at("+34612345678", at("2026-11-22T07:30")) == at("2026-11-22T08:00")


def test_a_zone_that_is_given_stands_for_all() -> None:
    assert quiet(time_zone="Asia/Tokyo").opens_at(CHICAGO, at("2026-11-22T18:00")) == at("2026-11-22T23:00")


@pytest.mark.parametrize("number", ["+99912345678", "12345", "", "+"])
def test_where_no_zone_is_known_it_may_always_be_night(number: str) -> None:
    assert time_zones_of(number) == ()
    assert quiet().opens_at(number, at("2026-11-22T18:00")) is None


def test_what_is_quiet_somewhere_at_any_time_never_opens() -> None:
    zones = [ZoneInfo(name) for name in ("Pacific/Auckland", "Europe/London", "Asia/Kolkata")]
    assert opens_at(*NIGHT, zones, at("2026-11-22T18:00")) is None


def test_a_number_of_a_whole_continent_waits_for_all_of_it() -> None:
    # Day in Guam and still in Newfoundland.
    assert quiet().opens_at(TOLL_FREE, at("2026-11-22T18:00")) == at("2026-11-22T22:00")


ZONES = st.lists(st.sampled_from(sorted(available_timezones())), min_size=1, max_size=4)
TIMES = st.times().map(lambda moment: moment.replace(second=0, microsecond=0))


def is_quiet(begin: time, end: time, zones: list[ZoneInfo], moment: float) -> bool:
    clocks = (datetime.fromtimestamp(moment, zone).time() for zone in zones)
    return any((begin <= now < end) if begin < end else (now >= begin or now < end) for now in clocks)


@given(begin=TIMES, end=TIMES, names=ZONES, now=st.integers(0, 4_000_000_000))
def test_what_opens_is_quiet_nowhere_and_nothing_opened_before(
    *, begin: time, end: time, names: list[str], now: int
) -> None:
    zones = [ZoneInfo(name) for name in names]
    opens = opens_at(begin, end, zones, now)
    if begin == end:
        return
    until = opens if opens is not None else now + LOOKED_AHEAD
    step = max(60, int(until - now) // 200)
    assert all(is_quiet(begin, end, zones, moment) for moment in range(now, int(until), step))
    assert opens is None or not is_quiet(begin, end, zones, opens)
    assert opens is None or opens == now or is_quiet(begin, end, zones, opens - 1)


def test_every_zone_of_the_numbering_plans_has_its_clocks() -> None:
    for name in {name for names in TIMEZONE_DATA.values() for name in names}:
        ZoneInfo(name)


@pytest.mark.parametrize(
    ("number", "country"),
    [
        (CHICAGO, "US"),
        ("+16135550101", "CA"),
        ("+33612345678", "FR"),
        ("+13125550000001", "US"),
        ("12345", None),
        ("+882161234567", None),
    ],
)
def test_a_number_tells_its_country(number: str, country: str | None) -> None:
    assert country_of(number) == country
