"""Reception with traces: a span for each sampled webhook, and one for each batch that has such a webhook.

A span begins once the signature is proven. So forged webhooks cannot fill the traces, and none of their headers counts.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from operator import itemgetter

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Span

from service.ingress.answers import Answer
from service.ingress.webhook_endpoint import PendingDelivery, Reception
from service.ingress.whole_requests import Answerable, Headers
from service.monitoring.traces.tracing import Tracing, fail, remote_context, trace_text
from service.store.inbox.accept import Acceptance, NewEvent
from service.store.inbox.group_commit import GroupCommit, NotAccepted
from service.store.store import Store

_TRACEPARENT, _NAME = b"traceparent", itemgetter(0)
_PATHS = {"webhook": "/webhooks", "failover": "/webhooks/failover"}


class _TracedEvent(bytes):
    """A packed event with the span of its webhook."""

    span: Span


class TracedGroupCommit(GroupCommit):
    """Accepts events as `GroupCommit` does, and traces the batches of sampled ones."""

    def __init__(self, store: Store, *, timeout: float, tracing: Tracing) -> None:
        super().__init__(store, timeout=timeout)
        self._tracing = tracing

    def submit_traced(self, arrival: NewEvent, answer: PendingDelivery, span: Span) -> None:
        """Do what `submit` does for an event with a span."""
        self._batcher.add(self._packed_with(arrival, span), answer)

    async def accept_traced(self, arrival: NewEvent, span: Span) -> Acceptance:
        """Do what `accept` does for an event with a span."""
        return await self._committed(self._packed_with(arrival, span))

    def _packed_with(self, arrival: NewEvent, span: Span) -> _TracedEvent:
        packed = _TracedEvent(self._packed(arrival))
        packed.span = span
        return packed

    async def _commit(self, arrivals: Sequence[bytes]) -> Sequence[Acceptance]:
        spans = [each.span for each in arrivals if isinstance(each, _TracedEvent)]
        if not spans:
            return await super()._commit(arrivals)
        with self._tracing.sending(spans, number=len(arrivals)):
            return await super()._commit(arrivals)


@dataclass
class TracedReception(Reception):
    """Answers webhooks as `Reception` does, and traces the sampled ones."""

    inbox: TracedGroupCommit
    tracing: Tracing = field(kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._path = _PATHS[self.arrived_by]
        self._choose = self.tracing.webhook_chooser(self._path)

    async def _accept(self, arrival: NewEvent, headers: Headers) -> tuple[str, Answer]:
        # A body that came in pieces is whole by now.
        began, has_caller = time.perf_counter(), _TRACEPARENT in map(_NAME, headers)
        trace_id = None if has_caller else self._choose()
        traced, span = self._begin(arrival, headers, trace_id, began)
        if span is None:
            return await super()._accept(traced, headers)
        end = partial(self._end, span, began)
        try:
            reason, answer = self.note(traced, await self.inbox.accept_traced(traced, span))
        except NotAccepted:
            end(503, {})
            raise
        except BaseException as error:
            fail(span, type(error).__name__)
            span.end()
            raise
        end(200, answer)
        return reason, answer

    def _submit(self, arrival: NewEvent, delivery: PendingDelivery) -> None:
        request = delivery.request
        has_caller = _TRACEPARENT in map(_NAME, request.headers)
        trace_id = None if has_caller else self._choose()
        if trace_id is None and not has_caller:
            # Nearly every webhook under load. No function more is called for it.
            self.inbox.submit(arrival, delivery)
            return
        delivery.arrival, span = self._begin(arrival, request.headers, trace_id, request.began)
        if span is None:
            super()._submit(delivery.arrival, delivery)
            return
        delivery.request = _WatchedRequest(request, partial(self._end, span, request.began))
        self.inbox.submit_traced(delivery.arrival, delivery, span)

    def _begin(
        self, arrival: NewEvent, headers: Headers, trace_id: int | None, began: float
    ) -> tuple[NewEvent, Span | None]:
        """Return the event with its trace, and its span if it is sampled. `trace_id` is that of a chosen new trace."""
        caller = _caller_in(headers)
        span = None
        if caller is not None:
            span = self.tracing.join_webhook(self._path, caller, began=began)
        elif trace_id is not None or (trace_id := self._choose()) is not None:
            span = self.tracing.start_webhook(self._path, trace_id, began=began)
        if span is not None:
            span.set_attributes(self.tracing.names.event(arrival.identity, arrival.type))
            return arrival._replace(trace=trace_text(span.get_span_context())), span
        if caller is not None:
            # Handlers still know that their caller does not sample.
            kept = trace_text(trace.get_current_span(caller).get_span_context())
            return arrival._replace(trace=kept), None
        return arrival, None

    def _end(self, span: Span, began: float, status: int, answer: Answer) -> None:
        """End the span of a webhook with its answer."""
        span.set_attribute("http.response.status_code", status)
        if status == 200:
            span.set_attribute("ringback.delivery", answer["status"])
        else:
            fail(span, str(status))
        span.end()
        self.metrics.exemplify(time.perf_counter() - began, f"{span.get_span_context().trace_id:032x}")


class _WatchedRequest:
    """A request that calls a function with its answer."""

    def __init__(self, request: Answerable, told: Callable[[int, Answer], None]) -> None:
        self._request = request
        self._told = told
        self.began = request.began
        self.headers = request.headers

    @property
    def client(self) -> tuple[str, int] | None:
        """The address and port of the peer."""
        return self._request.client

    def answer(self, status: int, answer: Answer) -> None:
        """Send a JSON answer."""
        self._request.answer(status, answer)
        self._told(status, answer)


def _caller_in(headers: Headers) -> Context | None:
    """Return the trace of the caller. Several `tracestate` count as one, in their order."""
    parents = [value for name, value in headers if name == _TRACEPARENT]
    if len(parents) != 1 or b" " in parents[0]:
        return None
    state = b",".join(value for name, value in headers if name == b"tracestate")
    return remote_context(b" ".join((*parents, state)).decode("latin-1"))
