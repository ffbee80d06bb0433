"""The spans of an event, by OpenTelemetry's SDK. Only imported where traces are on."""

import asyncio
import logging
import re
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Link, NonRecordingSpan, Span, SpanContext, SpanKind, StatusCode, TraceFlags, Tracer
from opentelemetry.trace.span import TraceState

from service.monitoring.traces.names import Names
from service.monitoring.traces.sampling import ChosenIds, DecidedBefore, NewTrace, default_sampler

CLOSE_SECONDS = 2.0
"""Seconds for the last spans at the end of a process. It does not wait longer for a collector that is down."""
ROOT = Context()
"""The context of a span without a parent, whatever span is current."""
STATE_LENGTH, LONG_ENTRY = 512, 128
"""Characters of a `tracestate` that are kept, and of an entry that goes first where there are more."""
_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})")


@dataclass(frozen=True)
class Tracing:
    """The traces of one process."""

    provider: TracerProvider
    tracer: Tracer
    sampler: DecidedBefore
    names: Names

    def webhook_chooser(self, path: str) -> NewTrace:
        """Return what chooses new traces of webhooks."""
        return self.sampler.chooser(_webhook_name(path), SpanKind.SERVER)

    def start_webhook(self, path: str, trace_id: int, *, began: float) -> Span:
        """Return the span of a webhook with a chosen trace, that began then (seconds of the performance counter)."""
        self.sampler.begin(trace_id)
        return self._webhook(path, ROOT, began)

    def join_webhook(self, path: str, caller: Context, *, began: float) -> Span | None:
        """Return the span of a webhook in the trace of its caller, or None where that is not sampled.

        Telnyx signs no headers, so the caller may be a proxy.
        """
        trace_id = trace.get_current_span(caller).get_span_context().trace_id
        if not self.sampler.joins(caller, trace_id, _webhook_name(path)):
            return None
        return self._webhook(path, caller, began)

    def _webhook(self, path: str, parent: Context, began: float) -> Span:
        attributes = {"http.request.method": "POST", "http.route": path, "url.path": path}
        began_ns = time.time_ns() - int((time.perf_counter() - began) * 1e9)
        return self.tracer.start_span(_webhook_name(path), parent, SpanKind.SERVER, attributes, start_time=began_ns)

    @contextmanager
    def sending(self, webhooks: Sequence[Span], *, number: int) -> Iterator[None]:
        """Trace the acceptance of a batch of `number` events. It has a link for each sampled one."""
        first, *others = webhooks
        links = [Link(each.get_span_context()) for each in webhooks]
        attributes = {"ringback.batch.events": number, **self.names.sent(number=number)}
        parent = trace.set_span_in_context(first, ROOT)
        span = self.tracer.start_span(self.names.send, parent, SpanKind.PRODUCER, attributes, links)
        for each in others:
            # The span is in the trace of the first. So the traces of the others lead there.
            each.add_link(span.get_span_context())
        try:
            yield
        except BaseException as error:
            fail(span, type(error).__name__)
            raise
        finally:
            span.end()

    def derived(self, cause: Span, event_type: str, identity: str, arrived_by: str) -> str:
        """Trace an event that a run raises. Return its own trace, which has a link to the run."""
        # An event is traced where its cause is.
        self.sampler.begin()
        span = self._send(event_type, identity, arrived_by, [Link(cause.get_span_context())])
        cause.add_link(span.get_span_context())
        return trace_text(span.get_span_context())

    def raised(self, event_type: str, identity: str, arrived_by: str) -> str | None:
        """Trace a periodic or healed event, and return its own trace, or None where it is not sampled."""
        trace_id = self.sampler.chooser(self.names.send, SpanKind.PRODUCER)()
        if trace_id is None:
            return None
        self.sampler.begin(trace_id)
        return trace_text(self._send(event_type, identity, arrived_by, []).get_span_context())

    def _send(self, event_type: str, identity: str, arrived_by: str, links: Sequence[Link]) -> Span:
        """Return the span of an event that came by another way than a webhook."""
        by = {"ringback.event.arrived_by": arrived_by}
        attributes = {**self.names.event(identity, event_type), **by, **self.names.sent(identity)}
        span = self.tracer.start_span(self.names.send, ROOT, SpanKind.PRODUCER, attributes, links)
        span.end()
        return span

    def start_run(self, parent: Context, event_id: str, event_type: str, handler: str) -> Span:
        """Return the span of a run, in the trace of its event, with a link to the acceptance."""
        attributes = {**self.names.event(event_id, event_type), **self.names.processed(event_id, handler)}
        links = [Link(trace.get_current_span(parent).get_span_context())]
        return self.tracer.start_span(self.names.process(handler), parent, SpanKind.CONSUMER, attributes, links)

    def start_call(self, method: str, operation: str, host: str) -> Span:
        """Return the span of a call of a handler, below its current span."""
        attributes = {"http.request.method": method, "server.address": host, "ringback.operation": operation}
        return self.tracer.start_span(operation, None, SpanKind.CLIENT, attributes)

    async def close(self) -> None:
        """Send the last spans, for at most two seconds."""
        thread = threading.Thread(target=self.provider.shutdown, daemon=True, name="traces")
        thread.start()
        await asyncio.to_thread(thread.join, CLOSE_SECONDS)


def open_provider(role: str, environment: Mapping[str, str]) -> Tracing:
    """Open the SDK, which reads its own variables. A worker's handlers find it as the global provider."""
    # It logs each failed export twice.
    logging.getLogger("opentelemetry").setLevel(logging.ERROR)
    version = metadata.version("ringback")
    known = {"service.name": f"ringback-{role}", "service.namespace": "ringback", "service.version": version}
    named = environment.get("OTEL_SERVICE_NAME") or "service.name=" in environment.get("OTEL_RESOURCE_ATTRIBUTES", "")
    if named:
        known.pop("service.name")
    ids = ChosenIds()
    # Shut down by `close`, and not at the end of the interpreter, which would wait for a collector.
    provider = TracerProvider(default_sampler(), Resource.create(known), shutdown_on_exit=False, id_generator=ids)
    sampler = DecidedBefore(provider.sampler, ids)
    provider.sampler = sampler
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    if role == "worker" and isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
        trace.set_tracer_provider(provider)
    return Tracing(provider, provider.get_tracer("ringback", version), sampler, Names.of(environment))


def _webhook_name(path: str) -> str:
    return f"POST {path}"


def trace_text(context: SpanContext) -> str:
    """Return a `traceparent` of 55 characters and, behind a space, the caller's `tracestate` where there is one.

    Source: https://www.w3.org/TR/trace-context/.
    """
    parent = f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"
    return f"{parent} {_state_text(context.trace_state)}" if context.trace_state else parent


def remote_context(text: str | None) -> Context | None:
    """Return the context of what `trace_text` returns, or None. A malformed `tracestate` is left out."""
    parent, _, state = (text or "").partition(" ")
    # A later version may have more behind a dash.
    found = _TRACEPARENT.match(parent)
    if found is None or (len(parent) > 55 and (parent[:2] == "00" or parent[55] != "-")):
        return None
    trace_id, span_id, flags = (int(each, 16) for each in found.groups())
    states = TraceState.from_header([state]) if state else None
    context = SpanContext(trace_id, span_id, is_remote=True, trace_flags=TraceFlags(flags), trace_state=states)
    return trace.set_span_in_context(NonRecordingSpan(context), ROOT)


def _state_text(state: TraceState) -> str:
    """Return a `tracestate` of at most 512 characters. Long entries go first, then the oldest (section 3.3.1.5)."""
    entries = [f"{key}={value}" for key, value in state.items()]
    for short in (False, True):
        for entry in reversed(list(entries)):
            if len(",".join(entries)) > STATE_LENGTH and (short or len(entry) > LONG_ENTRY):
                entries.remove(entry)
    return ",".join(entries)


def is_sampled(context: Context) -> bool:
    """Return whether the trace of a context is sampled."""
    return trace.get_current_span(context).get_span_context().trace_flags.sampled


def fail(span: Span, error: str) -> None:
    """Mark a span as failed, with a type of error. Its text may hold a number or a message."""
    span.set_attribute("error.type", error)
    span.set_status(StatusCode.ERROR)
