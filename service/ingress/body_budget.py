"""The memory and time for bodies that are being read. The heaviest one ends where there is too little.

The first 64 KiB of each body come from a reserve of their own. Telnyx's events have 1 to 4 kB, so large bodies of
unknown senders leave them room. Only bytes that came count, since declared ones cost their sender nothing.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Self

from service.settings import MAX_BODY

FIRST_BYTES = 65_536
RESERVE_BYTES = 32 * 1024**2
"""For the first 64 KiB of all bodies."""
BEYOND_BYTES = MAX_BODY
"""For the rest of all bodies, and so for one of the largest."""
READING_SECONDS = 5.0
FREE_SECONDS = 1.0
"""How long a body may take before its speed is measured."""
MIN_BYTES_PER_SECOND = 1024


class NoRoom(Exception):
    """There is no room for a body, or it gave way to another one."""


class TooSlow(Exception):
    """A body took too long as a whole, or came too slowly."""


class BodyBudget:
    """The room for all bodies that are being read or wait for Redis."""

    def __init__(self, reserve: int = RESERVE_BYTES, beyond: int = BEYOND_BYTES) -> None:
        self._free = [reserve, beyond]
        self._reading: set[BodyReservation] = set()

    @property
    def free(self) -> int:
        """The bytes that nobody holds."""
        return sum(self._free)

    def start_reading(self, reservation: "BodyReservation") -> None:
        """Let a body give way to others from now on."""
        self._reading.add(reservation)

    def end_reading(self, reservation: "BodyReservation") -> None:
        """Let a body stay: it came as a whole, or is gone."""
        self._reading.discard(reservation)

    def grow(self, reservation: "BodyReservation", held: tuple[int, int]) -> None:
        """Reserve `held` bytes in all: those of the first 64 KiB, and those beyond.

        Raises:
            NoRoom: nobody else holds more and progresses less.
        """
        for pool, size in enumerate(held):
            more = size - reservation.held[pool]
            if not more:
                continue
            while more > self._free[pool]:
                self._make_room(reservation, pool)
            self._free[pool] -= more
            reservation.held[pool] = size

    def give_back(self, reservation: "BodyReservation") -> None:
        """Take back all that a body holds."""
        first, beyond = reservation.held
        self._free[0] += first
        self._free[1] += beyond
        reservation.held = [0, 0]

    def _make_room(self, wanting: "BodyReservation", pool: int) -> None:
        now = asyncio.get_running_loop().time()
        holders = (each for each in self._reading if each.held[pool])
        heaviest = max(holders, key=lambda each: each.burden(now), default=wanting)
        if heaviest is wanting:
            raise NoRoom
        heaviest.give_way()


class BodyReservation:
    """The room of one body, given back at the end of the block, and the time that it may take."""

    __slots__ = ("_began", "_budget", "_gives_way", "_progress", "_timeout", "held")

    def __init__(self, budget: BodyBudget) -> None:
        self.held = [0, 0]
        """Bytes of the first 64 KiB, and beyond."""
        self._budget = budget
        self._gives_way = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def release(self) -> None:
        """Give the room back."""
        self._budget.give_back(self)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[None]:
        """Bound the time in which the body is read.

        Raises:
            NoRoom: the body gave way to another one.
            TooSlow: it took more than 5 s, or less than 1 KiB came in a second after the first one.
        """
        self._began = asyncio.get_running_loop().time()
        self._progress = _Progress(self._began)
        self._budget.start_reading(self)
        try:
            async with asyncio.timeout_at(self._began + FREE_SECONDS + 1) as self._timeout:
                yield
        except TimeoutError:
            if not self._gives_way:
                raise TooSlow from None
        finally:
            self._budget.end_reading(self)
        if self._gives_way:
            raise NoRoom

    def grow_to(self, size: int) -> None:
        """Reserve `size` bytes in all.

        Raises:
            NoRoom: there is none.
        """
        if self._gives_way:
            raise NoRoom
        self._budget.grow(self, (size, 0) if size <= FIRST_BYTES else (FIRST_BYTES, size - FIRST_BYTES))

    def expect_more(self) -> None:
        """Put the end of the time off where enough has come for it."""
        now, size = asyncio.get_running_loop().time(), sum(self.held)
        if self._progress.note(now, size) and not self._timeout.expired():
            until = max(now + 1, self._began + FREE_SECONDS + 1)
            self._timeout.reschedule(min(until, self._began + READING_SECONDS))

    def burden(self, now: float) -> float:
        """Return how much the body holds for each byte that came lately."""
        return sum(self.held) / (1 + self._progress.lately(now))

    def give_way(self) -> None:
        """Release the reserved bytes, and end the reading."""
        self._gives_way = True
        self._budget.give_back(self)
        self._budget.end_reading(self)
        if not self._timeout.expired():
            self._timeout.reschedule(0)


class _Progress:
    """The bytes that came within the last second or two."""

    def __init__(self, now: float) -> None:
        self._since = now
        self._before = self._marked = self._size = 0

    def note(self, now: float, size: int) -> bool:
        """Note that `size` bytes came so far. Return whether they are as many more as a second must bring."""
        if now - self._since >= 1:
            self._since, self._before = now, self._size
        self._size = size
        enough = size - self._marked >= MIN_BYTES_PER_SECOND
        self._marked = size if enough else self._marked
        return enough

    def lately(self, now: float) -> int:
        """Return how many bytes came lately."""
        return self._size - self._before if now - self._since < 2 else 0
