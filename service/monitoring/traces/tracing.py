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

from service.monitoring.traces.names import Names
from service.monitoring.traces.sampling import ChosenIds, DecidedBefore, default_sampler

CLOSE_SECONDS = 2.0
"""Seconds for the last spans at the end of a process. It does not wait longer for a collector that is down."""
ROOT = Context()
"""The context of a span without a parent, whatever span is current."""
_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})")


@dataclass(frozen=True)
class Tracing:
    """The traces of one process."""

    provider: TracerProvider
    tracer: Tracer
    sampler: DecidedBefore
    ids: ChosenIds
    names: Names

    def start_webhook(self, path: str, caller: str | None, *, seconds: float) -> Span | None:
        """Return the span of a webhook that began so many seconds ago, or None where it is not sampled.

        `caller` is the caller's `traceparent`. Telnyx signs no headers, so it may be that of a proxy.
        """
        parent = remote_context(caller) if caller is not None else None
        name = f"POST {path}"
        if parent is not None:
            trace_id = trace.get_current_span(parent).get_span_context().trace_id
            if not self.sampler.takes(parent, trace_id, name, SpanKind.SERVER):
                return None
        else:
            trace_id = self.ids.generate_trace_id()
            if not self.sampler.takes_new(trace_id, name):
                return None
            parent, self.ids.chosen = ROOT, trace_id
        attributes = {"http.request.method": "POST", "http.route": path, "url.path": path}
        began = time.time_ns() - int(seconds * 1e9)
        return self.tracer.start_span(name, parent, SpanKind.SERVER, attributes, start_time=began)

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

    def derived(self, cause: Span, event_type: str, identity: str) -> str:
        """Trace an event that a run raises. Return the `traceparent` of its own trace, which has a link to the run."""
        attributes = {**self.names.event(identity, event_type), **self.names.sent(identity)}
        trace_id = self.ids.generate_trace_id()
        # An event is traced where its cause is.
        self.sampler.take(trace_id)
        self.ids.chosen = trace_id
        links = [Link(cause.get_span_context())]
        span = self.tracer.start_span(self.names.send, ROOT, SpanKind.PRODUCER, attributes, links)
        cause.add_link(span.get_span_context())
        span.end()
        return traceparent(span)

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
    sampler = DecidedBefore(provider.sampler)
    provider.sampler = sampler
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    if role == "worker" and isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
        trace.set_tracer_provider(provider)
    return Tracing(provider, provider.get_tracer("ringback", version), sampler, ids, Names.of(environment))


def traceparent(span: Span) -> str:
    """Return the `traceparent` of a span, 55 characters (https://www.w3.org/TR/trace-context/)."""
    context = span.get_span_context()
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"


def remote_context(text: str | None) -> Context | None:
    """Return the context of a `traceparent`, or None where it is none."""
    # A later version may have more behind a dash.
    found = _TRACEPARENT.match(text) if text else None
    if text is None or found is None or (len(text) > 55 and (text[:2] == "00" or text[55] != "-")):
        return None
    trace_id, span_id, flags = (int(each, 16) for each in found.groups())
    context = SpanContext(trace_id, span_id, is_remote=True, trace_flags=TraceFlags(flags))
    return trace.set_span_in_context(NonRecordingSpan(context), ROOT)


def is_sampled(context: Context) -> bool:
    """Return whether the trace of a context is sampled."""
    return trace.get_current_span(context).get_span_context().trace_flags.sampled


def fail(span: Span, error: str) -> None:
    """Mark a span as failed, with a type of error. Its text may hold a number or a message."""
    span.set_attribute("error.type", error)
    span.set_status(StatusCode.ERROR)
