"""Libraries without the optional modules that they load wherever those are installed."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def without(*modules: str) -> Iterator[None]:
    """Let no import of the block find these modules, as if they were not installed. Loaded ones stay."""
    known: dict[str, Any] = sys.modules
    blocked = [each for each in modules if each not in known]
    # Python's reference, 5.3.1: where the value is None, an import raises ModuleNotFoundError.
    known.update(dict.fromkeys(blocked))
    try:
        yield
    finally:
        for each in blocked:
            del known[each]
