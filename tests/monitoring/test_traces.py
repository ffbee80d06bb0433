"""Traces: off they cost nothing, on they never hold what is private, and they never stop a process."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import orjson
import pytest

import handlers
from service import Context, Event, Router
from service.monitoring.traces import switch
from service.security.telnyx_signature import sign
from service.store.inbox.accept import NewEvent, pack_event
from tests.cli.deployment import ROOT
from tests.handlers.receiving import receiving
from tests.monitoring.otlp_collector import Collector
from tests.stack import Host, Stack, open_stack
from tests.telnyx_events import envelope, fresh_number
from tests.waiting import wait_for

CALLER = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
LOADS_ALL = """
import sys
import time
import service.ingress.app, service.worker.worker, service.cli.run.worker, service.cli.run.ingress, handlers
from service.monitoring.traces.switch import open_tracing
assert open_tracing("worker") is None
print(sorted(name for name in sys.modules if name.partition(".")[0] in ("opentelemetry", "google", "requests")))
"""


@pytest.fixture
def traced(collector: Collector, host: Host) -> Iterator[Stack]:
    """A stack that traces."""
    with open_stack(host) as opened:
        yield opened


def spans(collector: Collector, *names: str) -> list[Any]:
    """The first spans of these names, once all have come."""

    def found() -> list[Any] | None:
        by_name = {each.name: each for each in reversed(list(collector.spans))}
        return [by_name[name] for name in names] if by_name.keys() >= set(names) else None

    return wait_for(found)


@pytest.mark.slow  # processes of their own
def test_nothing_of_opentelemetry_is_imported_where_traces_are_off() -> None:
    for variables in ({}, {"OTEL_SDK_DISABLED": "true", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}):
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **variables}
        ran = subprocess.run([sys.executable, "-c", LOADS_ALL], env=environment, capture_output=True, check=False)
        assert (ran.stdout.decode().strip(), ran.returncode) == ("[]", 0), ran.stderr.decode()


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, False),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, True),
        ({"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://collector:4318/v1/traces"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318", "OTEL_SDK_DISABLED": "TRUE"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": " "}, False),
    ],
)
def test_the_variables_of_opentelemetry_turn_traces_on(variables: dict[str, str], *, expected: bool) -> None:
    assert switch.is_on(variables) is expected


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({"OTEL_TRACES_EXPORTER": "console"}, "OTEL_TRACES_EXPORTER"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "http/protobuf"),
    ],
)
def test_an_unknown_exporter_or_protocol_is_named(variables: dict[str, str], named: str) -> None:
    assert named in (switch.trouble(variables) or "")
    assert switch.trouble({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c"}) is None


def test_without_the_extra_webhooks_are_received_and_the_log_says_what_to_install(
    host: Host, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "otlp")
    monkeypatch.setattr(switch, "find_spec", lambda _: None)
    with open_stack(host) as stack:
        assert stack.deliver(envelope("test.any", {})).status_code == 200
    assert "pip install 'ringback[otel]'" in "".join(capsys.readouterr())


def test_a_variable_that_the_sdk_refuses_stops_nothing(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "otlp")
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "-1")
    with open_stack(host) as stack:
        assert stack.deliver(envelope("test.any", {})).status_code == 200


def test_a_webhook_that_comes_whole_or_in_pieces_has_a_trace_of_its_own(traced: Stack, collector: Collector) -> None:
    assert traced.deliver(envelope("test.whole", {})).status_code == 200
    pieces = orjson.dumps(envelope("test.pieces", {}))
    headers = sign(pieces, traced.signing_key, int(time.time()))
    answer = traced.http.post("/webhooks/failover", content=iter([pieces[:50], pieces[50:]]), headers=headers)
    assert answer.status_code == 200
    whole, in_pieces, _ = spans(collector, "POST /webhooks", "POST /webhooks/failover", "send inbox")
    assert whole.trace_id != in_pieces.trace_id
    for span, event_type in ((whole, "test.whole"), (in_pieces, "test.pieces")):
        assert (span.kind, span.attributes["ringback.event.type"]) == ("SERVER", event_type)
        assert (span.attributes["http.response.status_code"], span.attributes["ringback.delivery"]) == (200, "accepted")


def test_a_batch_has_a_link_for_each_event_and_each_trace_leads_to_it(traced: Stack, collector: Collector) -> None:
    from service.ingress.traced_reception import TracedGroupCommit
    from service.monitoring.traces.switch import open_tracing

    tracing = open_tracing("ingress")
    assert tracing is not None
    webhooks = [tracing.start_webhook("/webhooks", number, began=time.perf_counter()) for number in (1, 2, 3)]

    async def commit() -> None:
        inbox = TracedGroupCommit(traced.store, timeout=5, tracing=tracing)
        arrivals = [NewEvent(f"batch-{number}", "test.any", b"{}", "webhook") for number in range(4)]
        plain = inbox.accept(arrivals[3])
        both = zip(arrivals, webhooks, strict=False)
        await asyncio.gather(plain, *(inbox.accept_traced(each, span) for each, span in both))
        await inbox.close()
        for span in webhooks:
            span.end()
        await tracing.close()

    traced.host.portal.call(commit)
    sent = collector.of_kind("PRODUCER")
    servers = collector.of_kind("SERVER")
    assert sorted(link for each in sent for link in each.links) == sorted(each.place for each in servers)
    for server in servers:
        below = [each for each in sent if each.parent_id == server.span_id]
        assert below or set(server.links) <= {each.place for each in sent}
        assert below or server.links


def test_a_stranger_and_a_caller_that_does_not_sample_leave_no_span(traced: Stack, collector: Collector) -> None:
    body = orjson.dumps(envelope("test.any", {}))
    forged = {"telnyx-signature-ed25519": "A" * 86 + "==", "telnyx-timestamp": "1"}
    assert traced.http.post("/webhooks", content=body, headers={**forged, "traceparent": CALLER}).status_code == 401
    unsampled = CALLER[:-2] + "00"
    traced.http.headers["traceparent"] = unsampled
    event = envelope("test.unsampled", {})
    assert traced.deliver(event).status_code == 200
    traced.http.headers["traceparent"] = CALLER
    assert traced.deliver(envelope("test.sampled", {})).status_code == 200
    [server, _] = spans(collector, "POST /webhooks", "send inbox")
    assert (server.trace_id, server.parent_id) == (CALLER[3:35], CALLER[36:52])
    assert server.attributes["ringback.event.type"] == "test.sampled"
    assert traced.recorded(event["data"]["id"]).trace == unsampled


def test_a_record_without_a_trace_has_no_byte_more(stack: Stack) -> None:
    stack.http.headers["traceparent"] = CALLER
    event = envelope("test.any", {})
    stack.deliver(event)
    assert stack.recorded(event["data"]["id"]).trace is None
    arrival = NewEvent("id", "test.any", b"{}", "webhook")
    more = len(pack_event(arrival._replace(trace=CALLER), stack.store.encryption))
    assert more - len(pack_event(arrival, stack.store.encryption)) == len(orjson.dumps({"trace": CALLER}))


def test_the_names_of_the_messaging_conventions_are_asked_for(
    collector: Collector, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    router = Router()

    @router.on("test.named")
    async def note(event: Event, ctx: Context) -> None: ...

    monkeypatch.setenv("OTEL_SEMCONV_STABILITY_OPT_IN", "http,messaging")
    with open_stack(host) as stack:
        stack.start_worker(router)
        event = envelope("test.named", {})
        stack.deliver(event)
        sent, ran = spans(collector, "send inbox", "process inbox")
    assert sent.attributes["messaging.operation.type"] == "send"
    conventions = {name: value for name, value in ran.attributes.items() if name.startswith("messaging.")}
    assert conventions == {
        "messaging.system": "ringback",
        "messaging.destination.name": "inbox",
        "messaging.destination.subscription.name": "note",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.message.id": event["data"]["id"],
    }


def test_no_span_holds_a_number_or_a_text(traced: Stack, collector: Collector) -> None:
    router, number = Router(), fresh_number()

    @router.on("test.private")
    async def tell(event: Event, ctx: Context) -> None:
        await ctx.emit("test.raised", {}, key=f"for {number}")
        with pytest.raises(Exception, match=r"."):
            await ctx.telnyx.messages.retrieve(number)
        raise ValueError(f"the text to {number}")

    @router.on("test.raised")
    async def note(event: Event, ctx: Context) -> None: ...

    traced.start_worker(router, max_attempts=1)
    traced.deliver(envelope("test.private", {"to": number, "text": "a private text"}))
    ran, derived, call = spans(collector, "process tell", "process note", "GET /messages")
    assert ran.attributes["error.type"] == "ValueError"
    assert number[-4:] in derived.attributes["ringback.event.id"]
    assert call.failed
    for private in (number[1:], "text to", "a private text", "KEY-for-tests"):
        assert private.encode() not in collector.raw


def test_spans_of_a_handlers_own_stand_below_its_run(traced: Stack, collector: Collector) -> None:
    router = Router()

    @router.on("test.own")
    async def work(event: Event, ctx: Context) -> None:
        from opentelemetry import trace

        assert trace.get_current_span().is_recording()
        await ctx.telnyx.messages.send(to=event.payload["to"], from_="+13125550199", text="hello")

    traced.start_worker(router)
    event = envelope("test.own", {"to": fresh_number()})
    traced.deliver(event)
    assert traced.ended(event).state == "done"
    server, ran, call = spans(collector, "POST /webhooks", "process work", "POST /messages")
    assert [each.kind for each in (server, ran, call)] == ["SERVER", "CONSUMER", "CLIENT"]
    assert (ran.parent_id, call.parent_id) == (server.span_id, ran.span_id)
    assert (call.attributes["ringback.effect.result"], call.attributes["ringback.effect.request"]) == ("done", "first")
    assert call.attributes["http.response.status_code"] == 200


def test_a_collector_that_is_away_holds_nothing_up(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr("service.monitoring.traces.tracing.CLOSE_SECONDS", 0.1)
    router = Router()

    @router.on("test.any")
    async def note(event: Event, ctx: Context) -> None: ...

    with open_stack(host) as stack:
        stack.start_worker(router)
        event = envelope("test.any", {})
        assert stack.deliver(event).status_code == 200
        assert stack.ended(event).state == "done"


def test_at_most_ten_traces_begin_in_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    from service.monitoring.traces import sampling

    now = [1000.5]
    monkeypatch.setattr("service.monitoring.traces.sampling.time.monotonic", lambda: now[0])
    sampler = sampling.AtMostPerSecond(sampling.MAX_PER_SECOND)
    taken = [sampler.should_sample(None, number, "name").decision.name for number in range(100)]
    assert taken == ["RECORD_AND_SAMPLE"] * 10 + ["DROP"] * 90
    now[0] = 1001.0
    assert sampler.should_sample(None, 1, "name").decision.name == "RECORD_AND_SAMPLE"


def test_a_forwarded_event_brings_its_trace_to_the_receiver(host: Host, collector: Collector) -> None:
    with receiving() as receiver, open_stack(host, forward_url=receiver.url) as stack:
        stack.start_worker(handlers.router)
        event = envelope("test.forwarded", {})
        stack.deliver(event)
        assert stack.ended(event).state == "done"
        [posted] = receiver.posted
        [webhook, _] = spans(collector, "POST /webhooks", "process forward")
    assert posted.headers["traceparent"].split("-")[1:3] == list(webhook.place)
