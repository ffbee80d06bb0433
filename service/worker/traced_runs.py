"""Runs of handlers with traces: spans of the runs of sampled events, and of the events that they raise."""

import time
from collections.abc import Coroutine, Iterator
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from opentelemetry import context, trace
from opentelemetry.context import Context
from opentelemetry.trace import Span

from service.monitoring.traces.names import reason_name
from service.monitoring.traces.tracing import Tracing, fail, is_sampled, remote_context
from service.outbound.handler_run_state import current_run
from service.store.inbox.accept import starting_traces, trace_in_run
from service.store.inbox.handler_records import HandlerRecord
from service.worker.handler_runner import HandlerServices, run_handler
from service.worker.held_leases import ActiveEvent


@dataclass(frozen=True)
class TracedRuns:
    """Runs handlers as `run_handler` does, and traces the runs of sampled events."""

    tracing: Tracing

    def __call__(
        self, services: HandlerServices, running: ActiveEvent, name: str, *, paused: AbstractSet[str] = frozenset()
    ) -> Coroutine[Any, Any, HandlerRecord]:
        """Run one handler of a claimed event. See `run_handler`."""
        if running.lease.record.trace is None:
            # Most events. A coroutine of our own around it would cost each of them.
            return run_handler(services, running, name, paused=paused)
        return self._in_trace(services, running, name, paused)

    async def _in_trace(
        self, services: HandlerServices, running: ActiveEvent, name: str, paused: AbstractSet[str]
    ) -> HandlerRecord:
        parent = remote_context(running.lease.record.trace)
        if parent is None:
            return await run_handler(services, running, name, paused=paused)
        if not is_sampled(parent):
            with _current(parent):
                return await run_handler(services, running, name, paused=paused)
        return await self._traced(services, running, name, paused, parent)

    async def _traced(
        self, services: HandlerServices, running: ActiveEvent, name: str, paused: AbstractSet[str], parent: Context
    ) -> HandlerRecord:
        record, began = running.lease.record, time.perf_counter()
        span = self.tracing.start_run(parent, record.id, record.type, name)
        before = record.handlers[name]
        span.set_attribute("ringback.handler.run", before.runs_counted + 1)
        span.set_attribute("ringback.handler.attempt", before.attempts + 1)
        if lapses := sum(each.what == "lapsed" for each in record.notes):
            # A killed worker exports no span of its run.
            span.set_attribute("ringback.event.lapses", lapses)
        token = trace_in_run.set(partial(self.tracing.derived, span))
        try:
            with _current(trace.set_span_in_context(span, parent)):
                after = await run_handler(services, running, name, paused=paused)
        except BaseException as error:
            fail(span, type(error).__name__)
            raise
        else:
            _end(span, after)
            trace_id = f"{span.get_span_context().trace_id:032x}"
            services.metrics.exemplify(name, time.perf_counter() - began, trace_id)
            return after
        finally:
            trace_in_run.reset(token)
            span.end()


@contextmanager
def tracing_of_process(tracing: Tracing) -> Iterator[None]:
    """Trace the events that a worker itself raises, such as periodic and healed ones, until the block ends."""

    def start(event_type: str, identity: str, arrived_by: str) -> str | None:
        # Those of a run follow the choice for their cause. This one is not sampled.
        return None if current_run.get() is not None else tracing.raised(event_type, identity, arrived_by)

    with starting_traces(start):
        yield


@contextmanager
def _current(context_of_run: Context) -> Iterator[None]:
    """Make a context current, so that spans of the handler's own have their place in it."""
    token = context.attach(context_of_run)
    try:
        yield
    finally:
        context.detach(token)


def _end(span: Span, after: HandlerRecord) -> None:
    """Note how a run ended."""
    span.set_attribute("ringback.handler.state", after.state)
    reason = reason_name(after.reason) if after.reason else None
    if reason is not None:
        span.set_attribute("ringback.handler.reason", reason)
    if after.state != "done":
        # Of an exception its type, which the error begins with.
        fail(span, reason_name((after.error or "").partition(" ")[0]) if reason == "error" else reason or after.state)
