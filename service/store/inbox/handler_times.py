"""Times of handlers, as histograms of each minute: how long events waited for a worker, and how long runs took.

Workers count in memory, and send their counts with the renewal of their leases (`renew.lua`). So an event costs Redis
nothing more. A killed worker loses the counts of 5 s. Minutes and hours are kept for a day.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, Self

import orjson

from service.store.connection import server_time
from service.store.store import Store

BOUNDS = (1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000, 60_000, 300_000)
"""Upper bounds of the buckets in milliseconds. The last bucket has none."""
MINUTE = 60_000
Span = Literal["minute", "hour"]
_LENGTHS: Mapping[Span, int] = {"minute": MINUTE, "hour": 60 * MINUTE}


@dataclass(frozen=True, slots=True)
class Histogram:
    """Counts by bucket of `BOUNDS`, and of all that took longer."""

    counts: tuple[int, ...] = (0,) * (len(BOUNDS) + 1)

    def __add__(self, other: "Histogram") -> "Histogram":
        return Histogram(tuple(mine + theirs for mine, theirs in zip(self.counts, other.counts, strict=True)))

    @property
    def total(self) -> int:
        """The number of observations."""
        return sum(self.counts)

    def quantile(self, share: float) -> int | None:
        """Return the upper bound (ms) below which this share of the observations lies, None without any.

        Beyond the last bound, return that bound.
        """
        passed, wanted = 0, share * self.total
        for bound, count in zip((*BOUNDS, BOUNDS[-1]), self.counts, strict=True):
            passed += count
            if passed and passed >= wanted:
                return bound
        return None


@dataclass(frozen=True, slots=True)
class HandlerTimes:
    """The times of one handler: of its events until a worker took them (`pickup`), and of its runs (`run`)."""

    pickup: Histogram = field(default_factory=Histogram)
    run: Histogram = field(default_factory=Histogram)

    def __add__(self, other: "HandlerTimes") -> "HandlerTimes":
        return HandlerTimes(self.pickup + other.pickup, self.run + other.run)

    @classmethod
    def from_json(cls, text: bytes) -> Self:
        """Read the stored counts, by `p` or `r` and the number of the bucket. An unreadable text counts nothing."""
        counts = {"p": [0] * (len(BOUNDS) + 1), "r": [0] * (len(BOUNDS) + 1)}
        try:
            for name, count in orjson.loads(text).items():
                if name[:1] in counts and name[1:].isdecimal():
                    counts[name[0]][int(name[1:])] = int(count)
        except (ValueError, TypeError, KeyError, IndexError, AttributeError):
            return cls()
        return cls(Histogram(tuple(counts["p"])), Histogram(tuple(counts["r"])))


@dataclass(frozen=True, slots=True)
class SpanTimes:
    """The times of all handlers within one minute or hour that begins at `start` (ms)."""

    start: int
    handlers: Mapping[str, HandlerTimes]


async def read_times(store: Store, *, span: Span = "minute", spans: int = 60) -> list[SpanTimes]:
    """Return the times of the last minutes or hours, the oldest first. At most those of one day are kept.

    Raises:
        redis.exceptions.RedisError: Redis cannot be reached.
    """
    length = _LENGTHS[span]
    newest = await server_time(store.redis) // length
    starts = range(newest - spans + 1, newest + 1)
    async with store.redis.pipeline(transaction=False) as pipeline:
        for start in starts:
            pipeline.hgetall(store.keys.handler_times(f"{span}:{start}"))
        answers = await pipeline.execute()
    return [
        SpanTimes(start * length, {name.decode(): HandlerTimes.from_json(told) for name, told in stored.items()})
        for start, stored in zip(starts, answers, strict=True)
    ]


def merged(spans: Iterable[SpanTimes]) -> dict[str, HandlerTimes]:
    """Return the times of each handler over all these spans."""
    found: defaultdict[str, HandlerTimes] = defaultdict(HandlerTimes)
    for span in spans:
        for name, times in span.handlers.items():
            found[name] += times
    return dict(found)
