"""Reading stored JSON that another version may have written: a field that this version does not know is passed over."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import orjson


def known_fields(record: type, stored: bytes) -> Mapping[str, Any]:
    """Return the fields of a dataclass in a stored JSON object, without those of a later version.

    Raises:
        ValueError: it is no JSON object.
    """
    told = orjson.loads(stored)
    if not isinstance(told, dict):
        raise ValueError("it is no JSON object")
    return {each.name: told[each.name] for each in fields(record) if each.name in told}
