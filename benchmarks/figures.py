"""Computations on measurements, without input and output."""

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Table:
    """A table of RESULTS.md. `note` says what the figures leave out."""

    title: str
    columns: Sequence[str]
    lines: Sequence[Sequence[str]]
    note: str = ""


@dataclass(frozen=True)
class Result:
    """The results of a row: tables, figures by name for the targets, and series by name for the plots.

    A row that `failed` says in its table why.
    """

    tables: Sequence[Table]
    figures: Mapping[str, float] = field(default_factory=dict)
    series: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    failed: bool = False


def median(values: Iterable[float]) -> float:
    """Return the median.

    Raises:
        ValueError: there are no values.
    """
    known = list(values)
    if not known:
        raise ValueError("nothing was measured")
    return statistics.median(known)


def percentile(values: Iterable[float], percent: float) -> float:
    """Return the smallest value that at least `percent` % of all values do not exceed.

    Raises:
        ValueError: there are no values.
    """
    ordered = sorted(values)
    if not ordered:
        raise ValueError("nothing was measured")
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


def median_ratio(values: Sequence[float], base: Sequence[float]) -> float:
    """Return the median of the ratios of values that were measured one after the other, turn by turn.

    Raises:
        ValueError: there are no values, or not as many on both sides.
    """
    return median(one / other for one, other in zip(values, base, strict=True))


def ratio_or_dash(values: Sequence[float], base: Sequence[float] | None) -> str:
    """Return as text the median ratio of the turns that both had, or a dash without a base."""
    return f"{median_ratio(values[: len(base)], base):.2f} ×" if base else "–"


def costs(rate: Sequence[float], *cpu: Sequence[float], ours: Sequence[float]) -> list[str]:
    """Return as texts the median rate, ours beside it, and the median of each processor time (µs)."""
    return [f"{median(rate):,.0f}", ratio_or_dash(ours, rate), *(f"{median(each):.0f}" for each in cpu)]
