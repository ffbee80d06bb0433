"""Ending by a signal as a service should: with exit code 0, however often the signal comes."""

import signal
import threading

_ENDING = (signal.SIGTERM, signal.SIGINT)


def end_quietly_on_signals() -> None:
    """Make uvicorn's end a clean one: once stopped it raises the signal again, which would be death by signal."""
    if threading.current_thread() is threading.main_thread():
        for number in _ENDING:
            signal.signal(number, lambda *_: None)


def ignore_signals() -> None:
    """Ignore SIGTERM and SIGINT from here on. Call it as the last step of a process.

    Python takes its handlers away as it ends. A signal then would be death by signal.
    """
    if threading.current_thread() is threading.main_thread():
        for number in _ENDING:
            signal.signal(number, signal.SIG_IGN)
