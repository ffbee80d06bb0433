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
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    return max(0.0, (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() - now)
