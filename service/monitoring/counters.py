"""Counters and histograms for every request, at next to no cost. prometheus-client does the exposition.

Its own counters take a lock and look their labels up for each increment. Its multiprocess mode writes to a mapped file
as well. Together that takes microseconds per request. Here a family is a dictionary or a list of buckets, which can be
dumped and merged.
"""

import re
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import accumulate
from typing import Any

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.samples import Exemplar

from service import clock
from service.security.masking import mask_numbers

Bucket = tuple[str, float] | tuple[str, float, Exemplar]
"""The bound of a bucket, the count up to it, and an example."""


@dataclass
class CounterFamily:
    """A counter by label values. Its name has no `_total`, as prometheus-client wants it."""

    name: str
    help: str
    labels: tuple[str, ...]
    numbers: Counter[tuple[str, ...]] = field(default_factory=Counter)

    def family(self) -> CounterMetricFamily:
        """Return the form that prometheus-client exposes."""
        family = CounterMetricFamily(self.name, self.help, labels=self.labels)
        for values, number in self.numbers.items():
            family.add_metric(values, number)
        return family

    def dump(self) -> Any:
        """Return the argument of `merge`, as JSON has it."""
        return list(self.numbers.items())

    def merge(self, dumped: Any) -> None:
        """Add the numbers of another process."""
        for values, number in dumped:
            self.numbers[tuple(values)] += number


@dataclass
class HistogramFamily:
    """A histogram of seconds, without labels."""

    name: str
    help: str
    bounds: tuple[float, ...]
    numbers: list[int] = field(default_factory=list)
    total: float = 0.0
    exemplars: dict[int, Exemplar] = field(default_factory=dict)
    """The latest trace of each bucket, of this process alone."""

    def __post_init__(self) -> None:
        self.numbers = [0] * (len(self.bounds) + 1)

    def observe(self, seconds: float) -> None:
        """Count one duration."""
        self.numbers[bisect_left(self.bounds, seconds)] += 1
        self.total += seconds

    def exemplify(self, seconds: float, trace_id: str) -> None:
        """Keep the trace of a duration as the example of its bucket."""
        self.exemplars[bisect_left(self.bounds, seconds)] = Exemplar({"trace_id": trace_id}, seconds, clock.now())

    def family(self) -> HistogramMetricFamily:
        """Return the form that prometheus-client exposes."""
        return HistogramMetricFamily(self.name, self.help, buckets=self.buckets(), sum_value=self.total)

    def buckets(self) -> list[Bucket]:
        """Return the counts up to each bound, with the example of a bucket that has one."""
        bounds = (*map(str, self.bounds), "+Inf")
        counted = zip(bounds, map(float, accumulate(self.numbers)), strict=True)
        return [
            (bound, number, self.exemplars[index]) if index in self.exemplars else (bound, number)
            for index, (bound, number) in enumerate(counted)
        ]

    def dump(self) -> Any:
        """Return the argument of `merge`, as JSON has it."""
        return [self.numbers, self.total]

    def merge(self, dumped: Any) -> None:
        """Add the numbers of another process."""
        numbers, total = dumped
        self.numbers = [mine + theirs for mine, theirs in zip(self.numbers, numbers, strict=True)]
        self.total += total


class HistogramsFamily:
    """A histogram of seconds for each value of one label."""

    def __init__(self, name: str, text: str, label: str, bounds: tuple[float, ...]) -> None:
        self.name, self.help, self.label = name, text, label
        self._histograms = defaultdict[str, HistogramFamily](partial(HistogramFamily, name, text, bounds))

    def observe(self, value: str, seconds: float) -> None:
        """Count one duration under a value of the label."""
        self._histograms[value].observe(seconds)

    def exemplify(self, value: str, seconds: float, trace_id: str) -> None:
        """Keep the trace of a duration under a value of the label."""
        self._histograms[value].exemplify(seconds, trace_id)

    def family(self) -> HistogramMetricFamily:
        """Return the form that prometheus-client exposes."""
        family = HistogramMetricFamily(self.name, self.help, labels=[self.label])
        for value, histogram in list(self._histograms.items()):
            family.add_metric([value], histogram.buckets(), histogram.total)
        return family


Tally = CounterFamily | HistogramFamily


def add_all(tallies: Iterable[Tally], written: Sequence[Any]) -> None:
    """Add to each of several tallies what another process has counted of the same."""
    for tally, numbers in zip(tallies, written, strict=True):
        tally.merge(numbers)


OTHER = "other"


class Labels:
    """Label values from outside: the first `most` texts that match `pattern`. All others become `other`.

    They are limited in number, since each creates a permanent time series.
    """

    def __init__(self, pattern: str, *, most: int) -> None:
        self._pattern = re.compile(pattern)
        self._most = most
        self._known: dict[str, str] = {}

    def of(self, text: str) -> str:
        """Return the label for a text."""
        return self._known.get(text) or self._first_seen(text)

    def _first_seen(self, text: str) -> str:
        fits = self._pattern.fullmatch(text) is not None and mask_numbers(text) == text
        if not fits or len(self._known) >= self._most:
            return OTHER
        return self._known.setdefault(text, text)


def event_types(known: Iterable[tuple[str, ...]] = ()) -> Labels:
    """Return labels for event types: holders of a signing key can invent types, and Telnyx adds some without notice.

    `known` are those with a count.
    """
    labels = Labels(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", most=100)
    for (event_type,) in known:
        labels.of(event_type)
    return labels
