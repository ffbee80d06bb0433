"""Filters of lists that several operations share."""

import math
from collections.abc import Callable

from service.testing.simulator.api.api_error import refusal
from service.testing.simulator.api.call import OperationCall
from service.testing.simulator.simulated_clock import read_iso


def time_filter(call: OperationCall, earliest: str, latest: str, *, status: int = 400) -> Callable[[float], bool]:
    """Whether a moment lies between the query parameters of these names, as far as they are given.

    Raises:
        ApiError: of that status, one of them is no ISO 8601 date.
    """
    begin = _moment(call, earliest, -math.inf, status)
    end = _moment(call, latest, math.inf, status)
    return lambda moment: begin <= moment <= end


def _moment(call: OperationCall, name: str, default: float, status: int) -> float:
    try:
        return read_iso(call.query[name]) if name in call.query else default
    except ValueError:
        raise refusal(status, "10015", "Bad Request", f"The parameter {name} must be an ISO 8601 date.") from None
