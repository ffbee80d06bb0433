"""Lists: filters by time, and pages (`page[number]` and `page[size]` in, `data` and `meta` out)."""

import math
import re
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from service.testing.simulator.api.api_error import bad_request, refusal
from service.testing.simulator.api.call import Answer, OperationCall
from service.testing.simulator.simulated_clock import read_iso

Item = TypeVar("Item")

DEFAULT_SIZE = 20
LARGEST_SIZE = 250
"""Source: OpenAPI `components.parameters.PageConsolidated`. `/detail_records` allows 50."""

_NUMBER = re.compile(r"[0-9]{1,9}")


def page(
    call: OperationCall,
    rows: Iterable[Item],
    largest_size: int = LARGEST_SIZE,
    show: Callable[[Item], Any] = lambda item: item,
) -> Answer:
    """Return the page of `rows` that `call` asks for, each as `show` returns it. Beyond the last page it is empty.

    Raises:
        ApiError: 400, a page number or size is out of range.
    """
    items = list(rows)
    number = whole_number(call, "page[number]", 1)
    size = whole_number(call, "page[size]", DEFAULT_SIZE, largest_size)
    totals = {"total_pages": max(1, -(-len(items) // size)), "total_results": len(items)}
    meta = {"page_number": number, "page_size": size, **totals}
    return Answer({"data": [show(each) for each in items[(number - 1) * size : number * size]], "meta": meta})


def whole_number(call: OperationCall, name: str, default: int | None, largest: int | None = None) -> int:
    """Return the query parameter `name`, at least 1. Without a default it is required.

    Raises:
        ApiError: 400, it is missing, no number or out of range.
    """
    text = call.query.get(name, None if default is None else str(default))
    number = int(text) if text is not None and _NUMBER.fullmatch(text) else 0
    if not 1 <= number <= (largest or number):
        raise bad_request(f"The parameter {name} must be a whole number from 1{f' to {largest}' if largest else ''}.")
    return number


def equals(call: OperationCall, **wanted: object) -> bool:
    """Return whether each of these values equals its filter. A missing filter fits all."""
    return all(call.query.get(f"filter[{name}]") in (None, value) for name, value in wanted.items())


def time_filter(call: OperationCall, earliest: str, latest: str, *, status: int = 400) -> Callable[[float], bool]:
    """Return a filter of moments between the query parameters of these names, as far as they are given.

    Raises:
        ApiError: of that status, one of them is no ISO 8601 date.
    """

    def limit(name: str, default: float) -> float:
        try:
            return read_iso(call.query[name]) if name in call.query else default
        except ValueError:
            raise refusal(status, "10015", "Bad Request", f"The parameter {name} must be an ISO 8601 date.") from None

    begin, end = limit(earliest, -math.inf), limit(latest, math.inf)
    return lambda moment: begin <= moment <= end
