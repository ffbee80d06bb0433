"""A row of the target table: a measurement that can be run alone."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.figures import Result


@dataclass(frozen=True)
class Scale:
    """How much is measured: `quick` shows that it works, and judges nothing.

    `folder` is for files of the measurement. `telnyx` is the address of a local Telnyx for all workers. `beside` is
    another checkout of Ringback to measure too. `minutes` and `behind` are for the row `trouble`: its length, and
    how many open events lie behind.
    """

    quick: bool
    folder: Path
    telnyx: str
    beside: Path | None = None
    minutes: int = 10
    behind: int = 1_000_000

    @property
    def rounds(self) -> int:
        """Turns of each side."""
        return 1 if self.quick else 3

    @property
    def seconds(self) -> float:
        """The length of a turn."""
        return 0.5 if self.quick else 2.0


@dataclass(frozen=True)
class Row:
    """One row. Without `by_default` it runs only where `--only` names it."""

    name: str
    run: Callable[[Scale], Result]
    by_default: bool = True
