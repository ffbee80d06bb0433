"""The time of day, read in one place so that tests and the simulator can move it."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_source: Callable[[], float] = time.time


def now() -> float:
    """Return seconds since 1970 (UTC)."""
    return _source()


@contextmanager
def moved(source: Callable[[], float]) -> Iterator[None]:
    """Let `source` tell the time of day until the block ends."""
    global _source  # noqa: PLW0603 - the one place where time is replaced
    before, _source = _source, source
    try:
        yield
    finally:
        _source = before
