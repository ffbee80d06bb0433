"""Ending by a signal as a service should: with exit code 0."""

import signal
import threading


def end_quietly_on_signals() -> None:
    """Make uvicorn's end a clean one: once stopped it raises the signal again, which would be death by signal."""
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: None)
