"""`filter[date_range]` of detail records: names for ranges of whole days, in UTC.

Source: OpenAPI `SearchDetailRecords`, and for `last_N_days` the SDK's description of the filter.
"""

import math
import re
from datetime import UTC, datetime, timedelta

from service.testing.simulator.api.api_error import bad_request

_LAST_DAYS = re.compile(r"last_(\d{1,3})_days")
_DAYS = {"yesterday": -1, "today": 0, "tomorrow": 1}
_WHICH = {"last": -1, "this": 0, "next": 1}


def days(name: str | None, now: float) -> tuple[float, float]:
    """When the range begins and ends, in seconds since 1970; None is all of time.

    Raises:
        ApiError: 400, there is no such range.
    """
    if name is None:
        return -math.inf, math.inf
    begin, end = _range(name, datetime.fromtimestamp(now, UTC).replace(hour=0, minute=0, second=0, microsecond=0))
    return begin.timestamp(), end.timestamp()


def _range(name: str, today: datetime) -> tuple[datetime, datetime]:
    which, _, unit = name.partition("_")
    if match := _LAST_DAYS.fullmatch(name):
        return today - timedelta(days=int(match[1])), today + timedelta(days=1)
    if name in _DAYS:
        begin = today + timedelta(days=_DAYS[name])
        return begin, begin + timedelta(days=1)
    if which in _WHICH and unit == "week":
        monday = today + timedelta(days=7 * _WHICH[which] - today.weekday())
        return monday, monday + timedelta(days=7)
    if which in _WHICH and unit == "month":
        return _month(today, _WHICH[which]), _month(today, _WHICH[which] + 1)
    raise bad_request("The filter date_range names no range of days.")


def _month(today: datetime, offset: int) -> datetime:
    years, month = divmod(today.month - 1 + offset, 12)
    return today.replace(year=today.year + years, month=month + 1, day=1)
