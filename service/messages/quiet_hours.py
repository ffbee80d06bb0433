"""Quiet hours: when a number may be written to, by the clocks of wherever it may lie."""

from collections.abc import Iterable
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

LOOKED_AHEAD = 48 * 3600.0
_STEP = 60.0


def opens_at(begin: time, end: time, zones: Iterable[ZoneInfo], at: float) -> float | None:
    """Return the first moment from `at` on (seconds since 1970) at which it is quiet in none of the zones.

    It is quiet from `begin` until just before `end`, over midnight where `end` is the earlier. None where no such
    moment comes within two days, or no zone is known. Then it may be the middle of the night at any time.
    """
    zones = tuple(zones)
    moment = at
    while zones and moment <= at + LOOKED_AHEAD:
        ends = [_end(end, zone, moment) for zone in zones if _is_quiet(begin, end, zone, moment)]
        if not ends:
            return moment
        # Where clocks are put back, the hour that ended may have come again.
        moment = max(ends) if max(ends) > moment else moment + _STEP
    return None


def _is_quiet(begin: time, end: time, zone: ZoneInfo, at: float) -> bool:
    local = datetime.fromtimestamp(at, zone).time()
    return begin <= local < end if begin < end else local >= begin or local < end


def _end(end: time, zone: ZoneInfo, at: float) -> float:
    """Return the end of the current quiet hours of a zone."""
    local = datetime.fromtimestamp(at, zone)
    day = local.date() if local.time() < end else local.date() + timedelta(days=1)
    return datetime.combine(day, end, zone).timestamp()
