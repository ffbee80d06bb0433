"""A place in a sorted set of times, where the next page of a list begins. It holds while newer members arrive."""

from dataclasses import dataclass
from typing import Self

from redis.asyncio import Redis


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
        at, _, passed = text.partition(".")
        if not (at.isdecimal() and passed.isdecimal() and len(text) < 40):
            return None
        return cls(int(at), int(passed))


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
