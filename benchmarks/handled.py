"""The notes of handlers while they are measured, in Ringback and in every peer alike: one line an event.

A line is an event's id, the time and the worker's processor time so far, both in nanoseconds. The time is that of
CLOCK_MONOTONIC, which all processes share. Writing it costs each of them the same few microseconds.
"""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

VARIABLE = "BENCH_HANDLED"
"""The environment variable that names the file."""


@dataclass(frozen=True)
class Handled:
    """One event that a handler began: seconds (monotonic), and seconds that its worker had run by then."""

    event_id: str
    at: float
    cpu: float


def recorder() -> Callable[[str], None]:
    """Return a function that notes an event by its id."""
    descriptor = os.open(os.environ[VARIABLE], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def note(event_id: str) -> None:
        os.write(descriptor, f"{event_id} {time.monotonic_ns()} {time.process_time_ns()}\n".encode())

    return note


def read(file: Path) -> list[Handled]:
    """Return what was noted so far. A line that is being written is left out."""
    if not file.exists():
        return []
    lines = file.read_bytes().decode().split("\n")[:-1]
    parts = (line.split(" ") for line in lines)
    return [Handled(event_id, int(at) / 1e9, int(cpu) / 1e9) for event_id, at, cpu in parts]


def count(file: Path) -> int:
    """Return how many lines there are, without reading them apart."""
    return file.read_bytes().count(b"\n") if file.exists() else 0


def rate(handled: list[Handled]) -> float:
    """Return events a second, from the first to the last."""
    return (len(handled) - 1) / (handled[-1].at - handled[0].at)


def cpu_each(handled: list[Handled]) -> float:
    """Return the worker's seconds of CPU an event, from the first to the last."""
    return (handled[-1].cpu - handled[0].cpu) / (len(handled) - 1)
