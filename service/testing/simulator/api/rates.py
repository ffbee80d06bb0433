"""The rates of an account. Messages beyond the throughput wait in a queue, and requests beyond a limit are refused.

Source: Telnyx's page on messaging rate limits. It allows 50 SMS, 15 MMS and 1 RCS message a second, each with a queue
of four hours. Its page on API rate limits has `x-ratelimit-*`, and 429 with code 10011. The rate of API requests is not
published, so by default the simulator refuses none. For WhatsApp Telnyx publishes no rate. Meta's for one number, 80
messages a second, is used, with the same four hours.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from service.testing.simulator.api.api_error import ApiError, Problem, refusal
from service.testing.simulator.messages.message import MessageType


@dataclass(frozen=True, slots=True)
class Rate:
    """The limits of one product: messages a second, how many of them may wait, requests a second (None: no limit)."""

    per_second: float
    queue_length: int
    requests_per_second: int | None = None


DEFAULT_RATES: Mapping[MessageType, Rate] = {
    "SMS": Rate(50, 720_000),
    "MMS": Rate(15, 216_000),
    "RCS": Rate(1, 14_400),
    "WHATSAPP": Rate(80, 1_152_000),
}


@dataclass(slots=True)
class _Use:
    paid_until: float = 0.0
    window: int = 0
    requests: int = 0


class RateTable:
    """The limits of each product, and what has been used of them."""

    def __init__(self) -> None:
        self._rates = dict(DEFAULT_RATES)
        self._used = {product: _Use() for product in DEFAULT_RATES}

    def change(self, product: MessageType, **limits: Any) -> None:
        """Give `product` other limits, for which see `Rate`. Its queue begins anew."""
        self._rates[product] = replace(self._rates[product], **limits)
        self._used[product] = _Use()

    def admit(self, product: MessageType, now: float) -> dict[str, str]:
        """Count one request, and return the `x-ratelimit-*` headers of its answer, if a limit is set.

        Raises:
            ApiError: 429 with code 10011 and those headers, this second's requests are used up.
        """
        limit = self._rates[product].requests_per_second
        if limit is None:
            return {}
        used = self._used[product]
        if used.window != math.floor(now):
            used.window, used.requests = math.floor(now), 0
        used.requests += 1
        headers = _headers(limit, used.requests, now)
        if used.requests > limit:
            raise ApiError(429, [_TOO_MANY], headers)
        return headers

    def queue(self, product: MessageType, now: float) -> float:
        """Return the seconds that a message waits for its turn, after a burst of at most one second's worth.

        Raises:
            ApiError: code 40318, the queue is full. Its HTTP status is not documented. Here it is 429.
        """
        rate, used = self._rates[product], self._used[product]
        paid_until = max(used.paid_until, now) + 1 / rate.per_second
        wait = max(0.0, paid_until - now - max(1.0, 1 / rate.per_second))
        if wait * rate.per_second > rate.queue_length:
            raise refusal(429, "40318", "Message queue full", "The queue of messages waiting to be sent is full.")
        used.paid_until = paid_until
        return round(wait, 3)


_TOO_MANY = Problem("10011", "Too many requests", "You have exceeded the maximum number of allowed requests.")


def _headers(limit: int, requests: int, now: float) -> dict[str, str]:
    return {
        "x-ratelimit-limit": str(limit),
        "x-ratelimit-remaining": str(max(0, limit - requests)),
        "x-ratelimit-reset": str(math.ceil(math.floor(now) + 1 - now)),
    }
