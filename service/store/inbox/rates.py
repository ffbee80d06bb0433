"""Rates: how many events come, end and die, read from the indexes that know their times."""

from collections.abc import Sequence
from dataclasses import dataclass

from service.store.store import Store

MINUTE = 60_000


@dataclass(frozen=True, slots=True)
class Rates:
    """How many events were accepted, ended well (done or ignored) and died within a span that begins at `start` (ms).

    They come from the indexes of events. A dead event that was retried or dropped counts no longer as dead.
    """

    start: int
    accepted: int
    done: int
    dead: int


async def read_rates(store: Store, *, length: int = MINUTE, spans: int = 60) -> list[Rates]:
    """Return the rates of the last spans of `length` milliseconds, the oldest first. At most 500 spans."""
    rows: Sequence[list[int]] = await store.run("rates", length, spans)
    return [Rates(*row) for row in rows]
