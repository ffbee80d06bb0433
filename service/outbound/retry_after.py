"""`Retry-After`, in both of its forms (RFC 9110, 10.2.3). Pure."""

from datetime import UTC
from email.utils import parsedate_to_datetime

_LONGEST = 16


def seconds(value: str | None, now: float) -> float | None:
    """How many seconds an answer asks to wait, 0 or more; None where it does not say, or in no form that is known."""
    if value is None:
        return None
    text = value.strip()
    if text.isascii() and text.isdigit():
        return float(text[:_LONGEST])
    wait = until_date(text, now)
    return None if wait is None else max(0.0, wait)


def until_date(text: str, now: float) -> float | None:
    """Seconds from `now` until an HTTP date, below 0 for one that is past; None where it is none."""
    try:
        moment = parsedate_to_datetime(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() - now
    except (ValueError, OverflowError, TypeError, IndexError):
        # Which of these, depends on how odd the date is.
        return None
