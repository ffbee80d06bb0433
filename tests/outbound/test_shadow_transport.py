"""The transports beneath the SDK in a shadow run and in a traced one, on a transport that answers at once."""

from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from service.outbound import client, handler_run_state, traced_transport
from service.outbound.api_call import Call
from service.outbound.errors import Refusal
from service.outbound.handler_run_state import Interrupted, Run, current_run
from service.outbound.sender import EffectMetrics
from service.outbound.shadow_transport import ShadowTransport, captured_calls
from service.outbound.traced_transport import TracedTransport
from service.outbound.transport import EffectTransport
from service.settings import Settings
from service.store.effects.rate_limits import Granted
from tests.outbound.test_runs import run

BASE = "https://telnyx.example/base"
SETTINGS = Settings(telnyx_api_key="KEY", base_url=f"{BASE}/")


def network(status: int = 200) -> httpx.MockTransport:
    return httpx.MockTransport(lambda request: httpx.Response(status, json={"data": {"path": request.url.path}}))


@pytest.mark.anyio
async def test_a_shadow_run_reads_and_captures_the_rest() -> None:
    transport = ShadowTransport(network(), SETTINGS)
    read = httpx.Request("GET", f"{BASE}/messages/1")
    send = httpx.Request("POST", f"{BASE}/messages", json={"to": "+13125550142", "text": "Hello"})
    assert (await transport.handle_async_request(read)).json() == {"data": {"path": "/base/messages/1"}}
    assert (await transport.handle_async_request(send)).status_code == 200
    calls: list[Call] = []
    token = captured_calls.set(calls)
    try:
        answer = await transport.handle_async_request(send)
        await transport.handle_async_request(read)
    finally:
        captured_calls.reset(token)
    assert [(each.method, each.path, each.recipient) for each in calls] == [("POST", "/messages", "+13125550142")]
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["data"]["id"].startswith("dry-run-")
    await transport.aclose()


class Traces:
    """Spans in memory."""

    def __init__(self) -> None:
        self.spans = InMemorySpanExporter()
        provider = TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(self.spans))
        self.tracer = provider.get_tracer("test")

    def start_call(self, method: str, operation: str, host: str) -> Any:
        return self.tracer.start_span(f"{method} {operation} {host}", None, SpanKind.CLIENT)

    def only(self) -> ReadableSpan:
        [span, _] = self.spans.get_finished_spans()
        return span


async def traced(traces: Traces, made: Run, transport: httpx.AsyncBaseTransport, *, sampled: bool = True) -> Any:
    tested = TracedTransport(transport, SimpleNamespace(), SETTINGS, EffectMetrics(), traces)  # type: ignore[arg-type]
    token = current_run.set(made)
    parent = traces.tracer.start_span("run") if sampled else trace.NonRecordingSpan(trace.INVALID_SPAN_CONTEXT)
    try:
        with trace.use_span(parent, end_on_exit=True):
            return await tested.handle_async_request(httpx.Request("GET", f"{BASE}/messages/1"))
    finally:
        current_run.reset(token)


@pytest.mark.anyio
@pytest.mark.parametrize(("status", "failed"), [(200, False), (399, False), (400, True), (404, True)])
async def test_a_call_of_a_sampled_run_has_a_span_with_its_status(status: int, *, failed: bool) -> None:
    traces = Traces()
    answer = await traced(traces, run(Granted(0.0, calm=True), refusal=None), network(status))
    span = traces.only()
    assert answer.status_code == status
    assert span.name == "GET GET /messages telnyx.example"
    assert (span.attributes or {})["http.response.status_code"] == status
    assert (span.status.status_code is StatusCode.ERROR) is failed
    assert (span.attributes or {}).get("error.type") == (str(status) if failed else None)


@pytest.mark.anyio
async def test_without_a_sampled_run_nothing_is_traced() -> None:
    traces = Traces()
    await traced(traces, run(Granted(0.0, calm=True), refusal=None), network(), sampled=False)
    tested = TracedTransport(network(), SimpleNamespace(), SETTINGS, EffectMetrics(), traces)  # type: ignore[arg-type]
    with trace.use_span(traces.tracer.start_span("run"), end_on_exit=True):
        answer = await tested.handle_async_request(httpx.Request("GET", f"{BASE}/messages/1"))
    assert answer.status_code == 200
    assert [each.name for each in traces.spans.get_finished_spans()] == ["run"]


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("error", "note", "reason"),
    [
        (Interrupted(), Refusal("later", "rate_limit", "d"), "rate_limit"),
        (Interrupted(), None, "interrupted"),
        (KeyError("x"), Refusal("later", "rate_limit", "d"), "KeyError"),
    ],
)
async def test_a_call_that_ends_its_run_has_a_span_that_says_why(
    monkeypatch: pytest.MonkeyPatch, error: BaseException, note: Refusal | None, reason: str
) -> None:
    async def fail(*_: Any) -> Any:
        raise error

    monkeypatch.setattr(EffectTransport, "handle_async_request", fail)
    traces = Traces()
    with pytest.raises(type(error)):
        await traced(traces, run(note=note), network())
    span = traces.only()
    assert span.status.status_code is StatusCode.ERROR
    assert (span.attributes or {})["error.type"] == reason
    assert span.events == ()


@pytest.mark.parametrize(
    ("result", "again", "request_is"),
    [("done", False, "first"), ("done", True, "repeated"), ("stored", False, None), ("ambiguous", True, None)],
)
def test_a_span_says_what_the_ledger_made_of_a_call(result: Any, request_is: str | None, *, again: bool) -> None:
    traces, counted = Traces(), EffectMetrics()
    span = traces.tracer.start_span("call")
    with trace.use_span(span, end_on_exit=True):
        traced_transport._TracedMetrics(counted).ended(Call("POST", "/messages"), result, again=again)
    attributes = span.attributes or {}  # type: ignore[attr-defined]
    assert attributes["ringback.effect.result"] == result
    assert attributes.get("ringback.effect.request") == request_is
    labels = {"operation": "POST /messages", "result": result}
    assert counted.registry.get_sample_value("ringback_effects_total", labels) == 1
    assert handler_run_state.current_run.get() is None


def test_only_where_traces_are_on_calls_are_traced() -> None:
    store: Any = SimpleNamespace()
    tracing: Any = Traces()
    ways = [client._transport(network(), store, SETTINGS, EffectMetrics(), each) for each in (None, tracing)]  # type: ignore[arg-type] # any network
    assert [type(each) for each in ways] == [EffectTransport, TracedTransport]
