"""Failed writes, and the advice for a full disk: make room."""

import errno

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


def is_full(error: OSError) -> bool:
    """Return whether a write failed for want of room, or for a quota."""
    return error.errno in _FULL


def describe_failed_write(error: OSError, otherwise: str) -> str:
    """Return why a file could not be written and what to do. `otherwise` helps where the disk is not full."""
    if is_full(error):
        return "the disk is full: make room on it, then try again"
    return f"{error.strerror or type(error).__name__}: {otherwise}"
