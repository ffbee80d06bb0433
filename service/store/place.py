"""A place in a sorted set of times, where the next page of a list begins. It holds while newer members arrive."""

import re
from dataclasses import dataclass
from typing import Self

from redis.asyncio import Redis

_WRITTEN = re.compile(r"([0-9]{1,15})\.([0-9]{1,15})")
"""Redis refuses a rank beyond 64 bits."""


@dataclass(frozen=True, slots=True)
class Place:
    """A place in an index: after the first `passed` of its members with this time (ms), the newest first."""

    at: int
    passed: int

    def __str__(self) -> str:
        return f"{self.at}.{self.passed}"

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Read what `str` wrote. Return None for anything else."""
        written = _WRITTEN.fullmatch(text)
        return cls(int(written[1]), int(written[2])) if written else None


async def rank_at(redis: "Redis", index: str, place: Place | None) -> int:
    """Return the rank that a place has now, counted from the newest member. None is the beginning."""
    if place is None:
        return 0
    newer: int = await redis.zcount(index, f"({place.at}", "+inf")
    return newer + place.passed


async def place_at(redis: "Redis", index: str, rank: int) -> Place | None:
    """Return the place before this rank, None where there is no member before it."""
    last = await redis.zrange(index, max(0, rank - 1), max(0, rank - 1), desc=True, withscores=True)
    if not last:
        return None
    at = int(last[0][1])
    return Place(at, rank - await redis.zcount(index, f"({at}", "+inf"))
