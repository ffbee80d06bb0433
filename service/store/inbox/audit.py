"""The audit: holding the counters against a full count, and each event against its record."""

from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import asdict, dataclass

from service.store.inbox.accept import Counts
from service.store.store import Store, in_pages

PAGE = 100
"""Events looked at in one script: about 2 ms in which the server does nothing else."""
MOST_COUNTS = 3


@dataclass(frozen=True, slots=True)
class Totals:
    """The counters and, from the same moment, how many ids the three indexes hold."""

    counters: Counts
    events: int
    ended: int
    dead: int

    def contradictions(self) -> list[str]:
        """Return where they contradict each other, in words."""
        return [
            f"{counted} are counted as {state}, but {witness} {number}"
            for state, counted, witness, number in self._pairs()
            if counted != number
        ]

    @property
    def difference(self) -> int:
        """By how much they contradict each other, in all, or 0 where they agree."""
        return sum(abs(counted - number) for _, counted, _, number in self._pairs())

    def _pairs(self) -> tuple[tuple[str, int, str, int], ...]:
        """Yield the pairs that must be equal: a counter, and another count."""
        known = self.counters
        parts = known.done + known.ignored + known.dead + known.open
        return (
            ("accepted", known.accepted, "done, ignored, dead and open make", parts),
            ("accepted", known.accepted, "the index of events holds", self.events),
            ("done or ignored", known.done + known.ignored, "the index of ended events holds", self.ended),
            ("dead", known.dead, "the index of dead events holds", self.dead),
        )


@dataclass(frozen=True, slots=True)
class Difference:
    """An event that is not as its record says, and in words what differs."""

    event_id: str
    findings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Audit:
    """The findings of an audit. `counted` is False where events changed too fast for a full count to be compared."""

    totals: Totals
    differences: tuple[Difference, ...]
    contradictions: tuple[str, ...]
    counted: bool

    @property
    def clean(self) -> bool:
        """Whether everything is where it belongs."""
        return not self.differences and not self.contradictions


@dataclass(frozen=True, slots=True)
class _Count:
    """A full count, and the totals before and after it."""

    before: Totals
    after: Totals
    found: Counts
    differences: tuple[Difference, ...]

    @property
    def agrees(self) -> bool:
        return self.before == self.after and self.found == self.after.counters

    @property
    def moved(self) -> bool:
        return self.before != self.after

    def contradictions(self) -> list[str]:
        counters, found = asdict(self.after.counters), asdict(self.found)
        return [
            f"{counters[name]} are counted as {name}, but a full count finds {found[name]}"
            for name in counters
            if counters[name] != found[name]
        ]


async def audit(store: Store, *, looked_at: Callable[[int], None] = lambda _: None) -> Audit:
    """Compare all that is stored with itself. `looked_at` is called with the number of further events looked at.

    Under load a count is repeated. If the counters never stand still, only those of one moment are compared. The ids
    that differ are those of the last count.

    Raises:
        redis.exceptions.RedisError: Redis cannot be reached, or refuses.
    """
    counts: list[_Count] = []
    while len(counts) < MOST_COUNTS and not (counts and counts[-1].agrees):
        counts.append(await _count(store, looked_at))
    last = counts[-1]
    # Counters that stood still may have gone there and back: a contradiction takes several counts that none disturbed.
    counted = last.agrees or not any(count.moved for count in counts)
    contradictions = last.after.contradictions() + (last.contradictions() if counted else [])
    return Audit(last.after, last.differences, tuple(contradictions), counted)


async def repair(store: Store, found: Audit) -> None:
    """Put events where their records say they belong, and the counters to what is there.

    That is for what a script left that failed half-way and was not repeated. Repeating it is harmless.

    Raises:
        redis.exceptions.RedisError: Redis cannot be reached, or refuses. Repair once more.
    """
    ids = [each.event_id for each in found.differences]
    for start in range(0, len(ids), PAGE):
        await store.run("repair", *ids[start : start + PAGE])
    again = await _count(store, lambda _: None)
    await store.run("recount", "" if again.moved else again.found.ignored)


async def totals(store: Store) -> Totals:
    """Return the totals at one moment."""
    accepted, done, ignored, dead, still_open, *sizes = await store.run("totals")
    return Totals(Counts(accepted, done, ignored, dead, still_open), *sizes)


async def _count(store: Store, looked_at: Callable[[int], None]) -> _Count:
    before = await totals(store)
    states: Counter[str] = Counter()
    suspects: dict[bytes, None] = {}
    # A scan, since ranks shift while events expire.
    async for page in in_pages(store.redis.zscan_iter(store.keys.events, count=PAGE), PAGE):
        ids = [event_id for event_id, _ in page]
        for event_id, (state, *findings) in zip(ids, await _examine(store, *ids), strict=True):
            states[state] += 1
            if findings:
                suspects[event_id] = None
        looked_at(len(ids))
    async for ids in _unlisted(store):
        suspects.update(dict.fromkeys(ids))
    differences = [
        Difference(event_id.decode(errors="replace"), tuple(findings))
        for event_id in suspects
        # Looked at again, without the differences of a moment.
        for _, *findings in await _examine(store, event_id)
        if findings
    ]
    numbers = {state: states[state] for state in ("done", "ignored", "dead", "open")}
    found = Counts(accepted=sum(numbers.values()), **numbers)
    return _Count(before, await totals(store), found, tuple(differences))


async def _examine(store: Store, *ids: bytes) -> list[list[str]]:
    """Return for each id its state, empty where there is no record to tell it, and what differs."""
    answers: list[list[bytes]] = await store.run("audit_events", *ids)
    return [[text.decode(errors="replace") for text in answer] for answer in answers]


async def _unlisted(store: Store) -> AsyncIterator[list[bytes]]:
    """Yield the ids of records that are not in the index, in pages."""
    prefix = len(store.keys.event(""))
    async for page in in_pages(store.redis.scan_iter(match=store.keys.event("*"), count=PAGE), PAGE):
        ids = [key[prefix:] for key in page]
        listed = await store.redis.zmscore(store.keys.events, ids)
        yield [event_id for event_id, score in zip(ids, listed, strict=True) if score is None]
