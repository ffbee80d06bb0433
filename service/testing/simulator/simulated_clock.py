"""The simulator's time of day: the real one plus an offset that tests and demos move."""

import asyncio
from contextlib import suppress
from datetime import UTC, datetime

from service import clock


def iso(seconds: float) -> str:
    """Write `seconds` since 1970 in Telnyx's form: milliseconds and an explicit offset."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


def read_iso(text: str) -> float:
    """Return the seconds since 1970 of an ISO 8601 date. One without an offset is in UTC.

    Raises:
        ValueError: `text` is no ISO 8601 date.
    """
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def is_iso(value: object) -> bool:
    """Return whether `value` is the text of an ISO 8601 date."""
    try:
        return isinstance(value, str) and read_iso(value) is not None
    except ValueError:
        return False


EARLIEST, LATEST = read_iso("1970-01-01"), read_iso("9999-01-01")
"""Between which the simulated time must lie, so that every moment near it can be written."""

_LONGEST_WAIT = 86400.0


class SimulatedClock:
    """Tells the simulated time: `service.clock.now()` plus an offset in seconds, zero at first."""

    def __init__(self) -> None:
        self._offset = 0.0
        self._sleepers: set[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = set()

    def now(self) -> float:
        """Return the simulated seconds since 1970 (UTC)."""
        return clock.now() + self._offset

    def iso(self) -> str:
        """Return the simulated time of day, as Telnyx writes it."""
        return iso(self.now())

    def advance(self, seconds: float) -> None:
        """Move the simulated time by `seconds`. Negative ones move it back.

        Raises:
            ValueError: it would not lie between `EARLIEST` and `LATEST`. Nothing has moved.
        """
        if not EARLIEST <= self.now() + seconds <= LATEST:
            raise ValueError("the simulated time must lie between 1970 and 9999")
        self._shift(self._offset + seconds)

    def set(self, time: float) -> None:
        """Make it `time` (seconds since 1970) now. It runs on from there.

        Raises:
            ValueError: it does not lie between `EARLIEST` and `LATEST`.
        """
        self.advance(time - self.now())

    def reset(self) -> None:
        """Return to the real time of day."""
        self._shift(0.0)

    async def until(self, time: float) -> None:
        """Wait until the simulated time is `time`, by waiting or because somebody moves the clock."""
        sleeper = (asyncio.get_running_loop(), asyncio.Event())
        self._sleepers.add(sleeper)
        try:
            while (left := time - self.now()) > 0:
                with suppress(TimeoutError):
                    await asyncio.wait_for(sleeper[1].wait(), min(left, _LONGEST_WAIT))
                sleeper[1].clear()
        finally:
            self._sleepers.discard(sleeper)

    def _shift(self, offset: float) -> None:
        self._offset = offset
        # Tests move the clock from their own thread.
        for loop, moved in tuple(self._sleepers):
            loop.call_soon_threadsafe(moved.set)
