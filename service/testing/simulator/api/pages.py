"""Lists in pages: `page[number]` and `page[size]` in, `data` and `meta` out."""

import re
from collections.abc import Sequence
from typing import Any

from service.testing.simulator.api.api_error import bad_request
from service.testing.simulator.api.call import Answer, OperationCall

DEFAULT_SIZE = 20
LARGEST_SIZE = 250
"""Source: OpenAPI `components.parameters.PageConsolidated`; `/detail_records` allows 50."""

_NUMBER = re.compile(r"[0-9]{1,9}")


def page(call: OperationCall, items: Sequence[Any], largest_size: int = LARGEST_SIZE) -> Answer:
    """The page of `items` that `call` asks for; beyond the last page it is empty.

    Raises:
        ApiError: 400, a page number or size is out of range.
    """
    number = whole_number(call, "page[number]", 1)
    size = whole_number(call, "page[size]", DEFAULT_SIZE, largest_size)
    meta = {
        "page_number": number,
        "page_size": size,
        "total_pages": max(1, -(-len(items) // size)),
        "total_results": len(items),
    }
    return Answer({"data": list(items[(number - 1) * size : number * size]), "meta": meta})


def whole_number(call: OperationCall, name: str, default: int | None, largest: int | None = None) -> int:
    """The query parameter `name`, at least 1; without a default it is required.

    Raises:
        ApiError: 400, it is missing, no number or out of range.
    """
    text = call.query.get(name, None if default is None else str(default))
    number = int(text) if text is not None and _NUMBER.fullmatch(text) else 0
    if not 1 <= number <= (largest or number):
        raise bad_request(f"The parameter {name} must be a whole number from 1{f' to {largest}' if largest else ''}.")
    return number
