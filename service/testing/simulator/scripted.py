"""Things scripted to happen a number of times: which of them happens next."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from service.testing.simulator.identifiers import Identifiers


class Limited(Protocol):
    """Something that strikes `times` times (None: always), each time with the probability `rate`."""

    @property
    def times(self) -> int | None:
        """How often it strikes at most."""

    @property
    def rate(self) -> float:
        """The probability of each strike, from 0 to 1."""


Item = TypeVar("Item", bound=Limited)


@dataclass
class _Entry(Generic[Item]):
    item: Item
    left: int | None


class ScriptedAnswers(Generic[Item]):
    """The faults still to strike, in the order of their scripting.

    Each `kind` of item has a sequence of chances of its own, so that webhooks do not change which requests are struck.
    """

    def __init__(self, identifiers: Identifiers, kind: str) -> None:
        self._identifiers = identifiers
        self._kind = kind
        self._entries: list[_Entry[Item]] = []

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, item: Item) -> None:
        """Let `item` strike from now on."""
        self._entries.append(_Entry(item, item.times))

    def clear(self) -> None:
        """Call off everything that is still to come."""
        self._entries.clear()

    def take(self, matches: Callable[[Item], bool]) -> Item | None:
        """The first item that matches and strikes, if any; it is then used up by one."""
        for entry in self._entries:
            if matches(entry.item) and self._identifiers.chance(self._kind, entry.item.rate):
                self._use(entry)
                return entry.item
        return None

    def _use(self, entry: _Entry[Item]) -> None:
        if entry.left is not None:
            entry.left -= 1
            if entry.left == 0:
                self._entries.remove(entry)
