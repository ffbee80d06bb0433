"""The end of children whose parent is killed and cannot stop them."""

import ctypes
import os
import sys
import threading
import time
from collections.abc import Callable, Mapping
from signal import SIG_DFL, SIGTERM, signal

ENDS_WITH_PARENT = sys.platform == "linux"
"""Whether the system can signal a program that is not ours when its parent dies."""

_PARENT_VARIABLE = "_RINGBACK_PARENT"
_PR_SET_PDEATHSIG = 1
_LOOK_SECONDS = 0.5

_supervisors: set[int] = set()
"""The process id of the supervisor of this process, if it has one."""


def environment_of_child(environment: Mapping[str, str]) -> dict[str, str]:
    """Return an environment by which a `ringback` command ends with this process."""
    return {**environment, _PARENT_VARIABLE: str(os.getpid())}


def end_with_supervisor() -> None:
    """Get SIGTERM when the process ends that has started this one by `environment_of_child`, if one has."""
    if (parent := os.environ.pop(_PARENT_VARIABLE, None)) is not None:
        _supervisors.add(int(parent))
        end_with_parent(int(parent))


def end_with_forking_parent(parent: int) -> None:
    """Get SIGTERM when the process ends that has forked this one. `parent` is its process id.

    Raises:
        SystemExit: the parent has ended already.
    """
    _supervisors.clear()
    _supervisors.add(parent)
    end_with_parent(parent)


def has_lost_supervisor() -> bool:
    """Return whether this process had a supervisor, which has ended."""
    return bool(_supervisors) and os.getppid() not in _supervisors


def end_with_parent(parent: int) -> None:
    """Get SIGTERM when the parent ends, however it ends. `parent` is its process id.

    Raises:
        SystemExit: the parent has ended already.
    """
    if ENDS_WITH_PARENT:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, SIGTERM)
    else:
        threading.Thread(target=_watch, args=(parent,), daemon=True).start()
    # Linux signals only a death that comes after the call.
    if os.getppid() != parent:
        raise SystemExit(1)


def die_with_parent() -> Callable[[], None] | None:
    """Return what a child runs before exec to get SIGTERM when the thread that started it ends. None off Linux."""
    if not ENDS_WITH_PARENT:
        return None
    parent = os.getpid()
    prctl = ctypes.CDLL(None, use_errno=True).prctl

    def arrange() -> None:
        # A handler inherited from the parent would swallow the signal if it came before exec.
        signal(SIGTERM, SIG_DFL)
        prctl(_PR_SET_PDEATHSIG, SIGTERM)
        if os.getppid() != parent:
            os._exit(1)

    return arrange


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_LOOK_SECONDS)
    os.kill(os.getpid(), SIGTERM)
