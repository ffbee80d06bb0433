"""The choice of the events that are traced. OpenTelemetry's SDK decides at each span. Here it is decided once."""

import os
import time
from collections.abc import Callable, Sequence

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

MAX_PER_SECOND = 10
"""New traces of a process in a second, without `OTEL_TRACES_SAMPLER`."""


class AtMostPerSecond(Sampler):
    """A sampler that takes the first traces of each second, so that their cost has a limit at any load."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._second, self._taken = 0, 0

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
        del parent_context, name, kind, links, trace_state
        if not self.takes(trace_id):
            return SamplingResult(Decision.DROP)
        return SamplingResult(Decision.RECORD_AND_SAMPLE, attributes)

    def takes(self, trace_id: int) -> bool:
        """Return whether the second has room for a new trace."""
        del trace_id
        second = int(time.monotonic())
        if second != self._second:
            self._second, self._taken = second, 0
        if self._taken >= self._most:
            return False
        self._taken += 1
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

    def __init__(self, inner: Sampler) -> None:
        self._inner = inner
        self._taken: int | None = None
        self._takes_new = _takes_new(inner)

    def takes(self, parent: Context, trace_id: int, name: str, kind: SpanKind) -> bool:
        """Return whether a trace is taken. The span that begins it comes next."""
        taken = self._inner.should_sample(parent, trace_id, name, kind).decision is Decision.RECORD_AND_SAMPLE
        self._taken = trace_id if taken else None
        return taken

    def takes_new(self, trace_id: int, name: str) -> bool:
        """Return whether a trace without a parent is taken, at next to no cost if it is not."""
        if self._takes_new is None:
            return self.takes(Context(), trace_id, name, SpanKind.SERVER)
        taken = self._takes_new(trace_id)
        self._taken = trace_id if taken else None
        return taken

    def take(self, trace_id: int) -> None:
        """Take a trace without asking. The span that begins it comes next."""
        self._taken = trace_id

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


def _takes_new(sampler: Sampler) -> Callable[[int], bool] | None:
    """Return the decision on new traces of a sampler that is known, without the objects of the SDK, or None."""
    root = getattr(sampler, "_root", sampler)
    if isinstance(root, AtMostPerSecond):
        return root.takes
    if isinstance(root, TraceIdRatioBased):
        bound, limit = root.bound, TraceIdRatioBased.TRACE_ID_LIMIT
        return lambda trace_id: trace_id & limit < bound
    return None


def default_sampler() -> Sampler | None:
    """Return the sampler without `OTEL_TRACES_SAMPLER`, or None where the SDK reads that variable."""
    if os.environ.get("OTEL_TRACES_SAMPLER", "").strip():
        return None
    return ParentBased(AtMostPerSecond(MAX_PER_SECOND))
