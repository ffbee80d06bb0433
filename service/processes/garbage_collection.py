"""Garbage collection of a process that serves for long."""

import gc

_THRESHOLDS = (20_000, 50, 100)


def collect_rarely() -> None:
    """Exempt all present objects from garbage collection, and collect others less often.

    The objects of the start live on. Looking at them again costs a sixth of the time of a request.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)
