"""The result of one turn of healing."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields


@dataclass(frozen=True, slots=True)
class Healed:
    """One healed event. `source` is the delivery or the message at Telnyx in which it was found.

    `found` is `failed`, `lost` or `unfinished`. A lost one was answered 200, and is not in the store. An unfinished one
    is the end of a message that never came.
    """

    id: str
    type: str
    found: str
    source: str


@dataclass(frozen=True, slots=True)
class Unhealed:
    """A delivery or a message whose event could not be healed, and why."""

    source: str
    reason: str


@dataclass
class HealReport:
    """The tally of a turn. Times are seconds since 1970. Everything from `since` until `reached` was looked at.

    Of the `deliveries` that were read, `ours` came to our URLs. Of these were `known` in the store, `dropped` by a
    person, or `forgotten` by it. `uncertain` ones are lost, and were answered 200 so long ago that
    Telnyx would not recognise a repeated send. `messages` were asked for at Telnyx.
    """

    since: float
    until: float
    reached: float = field(init=False)
    deliveries: int = 0
    ours: int = 0
    known: int = 0
    dropped: int = 0
    forgotten: int = 0
    uncertain: list[str] = field(default_factory=list)
    messages: int = 0
    healed: list[Healed] = field(default_factory=list)
    failed: list[Unhealed] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.reached = self.since

    @property
    def is_read(self) -> bool:
        """Whether all lists of deliveries were read."""
        return self.since < self.until <= self.reached

    @contextmanager
    def counted_whole(self, *, keep_healed: bool) -> Iterator[None]:
        """Take back what the block has counted if it fails: its lists are read again, and count once.

        With `keep_healed`, healed events stay. They are in the store, and the next reading finds them known.
        """
        kept = {"reached", "healed"} if keep_healed else {"reached"}
        names = [each.name for each in fields(self) if each.name not in kept]
        before = {name: _copied(getattr(self, name)) for name in names}
        try:
            yield
        # A worker that stops cancels the turn. It still notifies people of the counts.
        except BaseException:
            for name, value in before.items():
                setattr(self, name, value)
            raise

    def types(self) -> dict[str, int]:
        """Return how many events of each type were healed, the most frequent first."""
        return dict(Counter(each.type for each in self.healed).most_common())


def _copied(value: object) -> object:
    return [*value] if isinstance(value, list) else value
