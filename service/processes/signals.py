"""Ending by a signal as a service should: with exit code 0."""

import ctypes
import multiprocessing
import os
import signal
import sys
import threading

_PR_SET_PDEATHSIG = 1


def end_quietly_on_signals() -> None:
    """Make uvicorn's end a clean one: once stopped it raises the signal again, which would be death by signal."""
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: None)


def end_with_parent() -> None:
    """In a process that multiprocessing has started (Linux only): end when the parent does, however that ends.

    Left behind, it would go on holding the port, and the next ingress could not listen.
    """
    parent = multiprocessing.parent_process()
    if parent is None or sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent.pid:
        raise SystemExit(1)
