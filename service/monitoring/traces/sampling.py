"""The choice of the events that are traced. OpenTelemetry's SDK decides at each span. Here it is decided once."""

import math
import os
import time
from collections.abc import Callable, Sequence
from functools import partial

from opentelemetry.context import Context
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import (
    ALWAYS_ON,
    Decision,
    ParentBased,
    Sampler,
    SamplingResult,
    TraceIdRatioBased,
)
from opentelemetry.trace import Link, SpanKind
from opentelemetry.trace.span import TraceState
from opentelemetry.util.types import Attributes

NewTrace = Callable[[], int | None]
"""Returns the id of a new trace, or None where it is not taken."""
MAX_PER_SECOND = 10
"""New traces of a process in a second, without `OTEL_TRACES_SAMPLER`."""


class AtMostPerSecond(Sampler):
    """A sampler that takes the first traces of each second, so that their cost has a limit at any load."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._taken, self._ends, self.full_until = 0, 0.0, 0.0
        """Seconds (monotonic) until which no new trace is taken."""

    def should_sample(  # noqa: PLR0917 - the SDK calls it so
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        """Take a new trace if the second has room for it."""
        del parent_context, trace_id, name, kind, links, trace_state
        if not self.takes():
            return SamplingResult(Decision.DROP)
        return SamplingResult(Decision.RECORD_AND_SAMPLE, attributes)

    def takes(self) -> bool:
        """Return whether the second has room for a new trace."""
        now = time.monotonic()
        if now < self.full_until:
            return False
        if now >= self._ends:
            self._taken, self._ends = 0, math.floor(now) + 1.0
        self._taken += 1
        if self._taken >= self._most:
            self.full_until = self._ends
        return True

    def get_description(self) -> str:
        """Return its name."""
        return f"AtMostPerSecond{{{self._most}}}"


class ChosenIds(RandomIdGenerator):
    """Random ids, but for the id of a trace that was sampled before its first span begins."""

    chosen: int | None = None

    def generate_trace_id(self) -> int:
        """Return the chosen id once, then random ones."""
        chosen, self.chosen = self.chosen, None
        return super().generate_trace_id() if chosen is None else chosen


class DecidedBefore(Sampler):
    """Another sampler, which is not asked again for the trace that it has just taken."""

    def __init__(self, inner: Sampler, ids: ChosenIds) -> None:
        self._inner = inner
        self._ids = ids
        self._taken: int | None = None

    def chooser(self, name: str, kind: SpanKind) -> NewTrace:
        """Return what chooses new traces whose first span has this name."""
        root = getattr(self._inner, "_root", self._inner)
        if isinstance(root, AtMostPerSecond):
            return _first_of_a_second(root, self._ids)
        if isinstance(root, TraceIdRatioBased):
            return _part_of_all(root, self._ids)
        return partial(self._asked, name, kind)

    def begin(self, trace_id: int | None = None) -> None:
        """Take a chosen trace, or a new one without asking. The span that begins it comes next."""
        self._taken = self._ids.chosen = self._ids.generate_trace_id() if trace_id is None else trace_id

    def joins(self, parent: Context, trace_id: int, name: str) -> bool:
        """Return whether the trace of a caller is taken. The span that joins it comes next."""
        taken = self._inner.should_sample(parent, trace_id, name, SpanKind.SERVER).decision
        self._taken = trace_id if taken is Decision.RECORD_AND_SAMPLE else None
        return self._taken is not None

    def _asked(self, name: str, kind: SpanKind) -> int | None:
        trace_id = self._ids.generate_trace_id()
        decision = self._inner.should_sample(Context(), trace_id, name, kind).decision
        return trace_id if decision is Decision.RECORD_AND_SAMPLE else None

    def should_sample(  # noqa: PLR0917 - the SDK calls it so
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        """Take the trace that was taken before. Ask the other sampler for any other."""
        sampler = ALWAYS_ON if trace_id == self._taken else self._inner
        self._taken = None
        return sampler.should_sample(parent_context, trace_id, name, kind, attributes, links, trace_state)

    def get_description(self) -> str:
        """Return the name of the other sampler."""
        return self._inner.get_description()


def _first_of_a_second(sampler: AtMostPerSecond, ids: ChosenIds) -> NewTrace:
    def choose() -> int | None:
        # Each webhook asks, so that a full second costs it one comparison.
        if time.monotonic() < sampler.full_until:
            return None
        return ids.generate_trace_id() if sampler.takes() else None

    return choose


def _part_of_all(sampler: TraceIdRatioBased, ids: ChosenIds) -> NewTrace:
    bound, limit = sampler.bound, TraceIdRatioBased.TRACE_ID_LIMIT
    # Nearly no trace costs more than this: the objects that the SDK makes for its question are left out.
    return lambda: trace_id if (trace_id := ids.generate_trace_id()) & limit < bound else None


def default_sampler() -> Sampler | None:
    """Return the sampler without `OTEL_TRACES_SAMPLER`, or None where the SDK reads that variable."""
    if os.environ.get("OTEL_TRACES_SAMPLER", "").strip():
        return None
    return ParentBased(AtMostPerSecond(MAX_PER_SECOND))
