"""Crash points: the places of a life at which a process may be killed, and the watch that finds and takes them."""

import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

Mode = Literal["lost", "cut", "unanswered", "half-way", "refused"]
"""Killed before the request leaves, in its middle, once it is carried out, or after a write of its script was refused.

At `refused` the same write is refused, and the process lives on.
"""
AT_A_WRITE: tuple[Mode, ...] = ("half-way", "refused")
OF_EVENT = "of the event"
"""Stands in the labels of such points. What a process does besides, it does at any rate, so one time is enough."""


@dataclass(frozen=True, order=True)
class Point:
    """A place in the work of a role: what it asks, the how manieth time, and how far that gets."""

    role: str
    label: str
    time: int
    mode: Mode

    def __str__(self) -> str:
        return f"{self.role}: {self.label} ({self.time}), {self.mode}"


@dataclass
class Watch:
    """What passes the links of one trial. Kills are theirs, at the point that is armed."""

    marker: bytes = b""
    """What stands in each request that concerns the event."""
    armed: bool = False
    counting: bool = False
    """Whether scripts count their writes."""
    counts: Counter[tuple[str, str, Mode]] = field(default_factory=Counter)
    points: list[Point] = field(default_factory=list)
    """Those still to come, in their order."""
    killed: list[Point] = field(default_factory=list)
    gone: set[str] = field(default_factory=set)
    """Roles whose processes were killed and not started again."""
    refused: set[str] = field(default_factory=set)
    """Roles of which a write was refused."""
    _turn: threading.Lock = field(default_factory=threading.Lock)

    def label(self, name: str, raw: bytes) -> str:
        """Return the label of a request: its name, and whether it concerns the event."""
        return f"{name} {OF_EVENT}" if self.marker and self.marker in raw else name

    def arm(self, marker: str, points: Sequence[Point]) -> None:
        """Count from now on, and kill at these points."""
        self.marker, self.points = marker.encode(), list(points)
        self.counting = not points
        self.counts.clear()
        self.armed = True

    def passes(self, role: str, label: str, mode: Mode) -> Point | None:
        """Count, and return the point at which the process has to be killed now, if it is one."""
        with self._turn:
            if not self.armed or role in self.gone:
                return None
            self.counts[role, label, mode] += 1
            reached = Point(role, label, self.counts[role, label, mode], mode)
            if not self.points or self.points[0] != reached:
                return None
            self.take()
            return reached

    def take(self) -> None:
        """Note that the next point was reached. Counting begins anew for the one after it."""
        point = self.points.pop(0)
        self.killed.append(point)
        if point.mode == "refused":
            self.refused.add(point.role)
        self.counts.clear()

    def refused_write(self, role: str) -> Point | None:
        """Return the write that is to be refused next, where it is this role's."""
        point = self.points[0] if self.armed and self.points else None
        return point if point and point.mode in AT_A_WRITE and point.role == role else None

    def found(self, writes: Mapping[bytes, bytes], most_times: int) -> list[Point]:
        """Return the points that were passed. `writes` is what the scripts have counted.

        A point of the event counts `most_times` at most.
        """
        passed: list[tuple[str, str, Mode, int]] = [(*each, number) for each, number in self.counts.items()]
        for place, number in writes.items():
            role, _, label = place.decode().partition("|")
            passed += [(role, label, mode, int(number)) for mode in AT_A_WRITE]
        return sorted(
            Point(role, label, time, mode)
            for role, label, mode, number in passed
            for time in range(1, 1 + (min(number, most_times) if OF_EVENT in label else 1))
        )
