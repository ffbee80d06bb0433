"""The transport beneath the SDK with traces: a span for each call of a sampled run, with the ledger's result."""

import httpx
from opentelemetry import trace
from opentelemetry.trace import Span

from service.monitoring.traces.names import reason_name
from service.monitoring.traces.tracing import Tracing, fail
from service.outbound.api_call import Call
from service.outbound.effect_rules import Result
from service.outbound.handler_run_state import Interrupted, current_run
from service.outbound.sender import EffectMetrics, operation_of
from service.outbound.transport import EffectTransport
from service.settings import Settings
from service.store.store import Store

_WITHOUT_REQUEST = frozenset({"stored", "found", "ambiguous", "would", "not_sent"})


class TracedTransport(EffectTransport):
    """Sends requests as `EffectTransport` does, and traces those of sampled runs."""

    def __init__(
        self,
        transport: httpx.AsyncBaseTransport,
        store: Store,
        settings: Settings,
        metrics: EffectMetrics,
        tracing: Tracing,
    ) -> None:
        super().__init__(transport, store, settings, _TracedMetrics(metrics))
        self._tracing = tracing

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer a request. See `EffectTransport`."""
        run = current_run.get()
        if run is None or not trace.get_current_span().is_recording():
            return await super().handle_async_request(request)
        path = request.url.path.removeprefix(self._sender.base_path)
        span = self._tracing.start_call(request.method, operation_of(request.method, path), request.url.host)
        with trace.use_span(span, end_on_exit=True, record_exception=False, set_status_on_exception=False):
            try:
                response = await super().handle_async_request(request)
            except Interrupted:
                fail(span, reason_name(run.note.reason) if run.note is not None else "interrupted")
                raise
            except BaseException as error:
                fail(span, type(error).__name__)
                raise
            _note_status(span, response.status_code)
            return response


class _TracedMetrics(EffectMetrics):
    """Counts what the ledger made of a call, and notes it in the current span."""

    def __init__(self, metrics: EffectMetrics) -> None:
        self._metrics = metrics

    def ended(self, call: Call, result: Result, *, again: bool = False) -> None:
        """Count the result of a call, or of one of its requests."""
        self._metrics.ended(call, result)
        span = trace.get_current_span()
        span.set_attribute("ringback.effect.result", result)
        if result not in _WITHOUT_REQUEST:
            span.set_attribute("ringback.effect.request", "repeated" if again else "first")


def _note_status(span: Span, status: int) -> None:
    span.set_attribute("http.response.status_code", status)
    if status >= 400:
        fail(span, str(status))
