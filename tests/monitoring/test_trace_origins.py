"""Where traces begin: with a caller's `tracestate`, and with events that no webhook brings."""

import asyncio
from collections.abc import Iterator

import httpx
import pytest

import handlers
from service import Context, Event, Router
from service.monitoring.traces import sampling
from service.routing import CRON
from service.store.inbox.accept import NewEvent, accept, traces_of_process
from service.store.inbox.search import EventFilter, search
from tests.cli.at_stack import run_at
from tests.handlers.receiving import receiving
from tests.healing.missed import failed, installed
from tests.monitoring.otlp_collector import Collector, Exported
from tests.stack import Host, Stack, open_stack
from tests.telnyx_events import envelope
from tests.waiting import wait_for

SHORT = ",".join(f"k{number}={'y' * 35}" for number in range(10))
CALLER = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-"


@pytest.fixture
def public(collector: Collector, host: Host) -> Iterator[Stack]:
    """A stack that traces, and declares where Telnyx should deliver."""
    with open_stack(host, public_url=f"{host.url}/webhooks") as opened:
        yield opened


def one(collector: Collector, name: str) -> Exported:
    """The first span of a name, once it has come."""
    return wait_for(lambda: next((each for each in list(collector.spans) if each.name == name), None))


@pytest.mark.slow  # two stacks with a worker
@pytest.mark.parametrize("flags", ["00", "01"])
def test_the_tracestate_of_a_caller_comes_to_the_spans_and_to_a_forwarded_event(
    collector: Collector, host: Host, flags: str
) -> None:
    with receiving() as receiver, open_stack(host, forward_url=receiver.url) as stack:
        stack.start_worker(handlers.router)
        # Two headers count as one, in their order.
        states = [("tracestate", "congo=t61"), ("tracestate", "rojo=00f")]
        stack.http.headers = httpx.Headers([("traceparent", f"{CALLER}{flags}"), *states])
        event = envelope("test.forwarded", {})
        stack.deliver(event)
        assert stack.ended(event).state == "done"
        [posted] = receiver.posted
        assert posted.headers["tracestate"] == "congo=t61,rojo=00f"
        assert posted.headers["traceparent"].endswith(f"-{flags}")
        if flags == "01":
            assert one(collector, "POST /webhooks").state == "congo=t61,rojo=00f"
            assert one(collector, "process forward").state == "congo=t61,rojo=00f"


@pytest.mark.parametrize(
    ("state", "kept"),
    [
        ("congo=t61 , rojo=00f", "congo=t61,rojo=00f"),
        # Long entries go first.
        (f"a={'x' * 200},{SHORT}", SHORT),
        # Then the oldest, which stand last.
        (",".join(f"k{n}={'y' * 97}" for n in range(10)), ",".join(f"k{n}={'y' * 97}" for n in range(5))),
        ("no state", ""),
        ("", ""),
    ],
)
def test_a_tracestate_is_kept_within_the_limits_of_its_standard(state: str, kept: str) -> None:
    from opentelemetry import trace

    from service.monitoring.traces.tracing import remote_context, trace_text

    context = remote_context(f"{CALLER}01 {state}")
    assert context is not None
    assert trace_text(trace.get_current_span(context).get_span_context()) == f"{CALLER}01 {kept}".strip()


def test_several_traceparents_are_none(public: Stack) -> None:
    public.http.headers = httpx.Headers([("traceparent", f"{CALLER}00"), ("traceparent", f"{CALLER}01")])
    event = envelope("test.any", {})
    public.deliver(event)
    # A trace of its own.
    assert CALLER not in (public.recorded(event["data"]["id"]).trace or "")


@pytest.mark.slow  # the first second in which it is due
def test_a_periodic_event_has_a_trace_from_its_cause_to_its_run(public: Stack, collector: Collector) -> None:
    router = Router()

    @router.cron(minute=None, second=None)
    async def tick(event: Event, ctx: Context) -> None: ...

    public.start_worker(router)
    ran, sent = one(collector, "process tick"), one(collector, "send inbox")
    assert (ran.trace_id, ran.parent_id) == sent.place
    assert (sent.kind, sent.parent_id, sent.attributes["ringback.event.arrived_by"]) == ("PRODUCER", "", "cron")
    assert sent.attributes["ringback.event.type"] == f"{CRON}tick"


@pytest.mark.slow  # a command and a worker
def test_a_healed_event_has_a_trace_from_its_cause_to_its_run(public: Stack, collector: Collector) -> None:
    installed(public)
    router = Router()

    @router.on("test.missed")
    async def note(event: Event, ctx: Context) -> None: ...

    event = envelope("test.missed", {})
    failed(public, event)
    url = public.settings.require_public_url()
    assert run_at(public, "heal", "--since", "2h", "--dry-run", RINGBACK_PUBLIC_URL=url).code == 0
    assert not collector.spans
    assert run_at(public, "heal", "--since", "2h", RINGBACK_PUBLIC_URL=url).code == 0
    public.start_worker(router)
    assert public.ended(event).state == "done"
    ran = one(collector, "process note")
    [sent] = [each for each in collector.of_kind("PRODUCER") if each.place == (ran.trace_id, ran.parent_id)]
    assert sent.attributes["ringback.event.arrived_by"] == "healed"
    assert sent.service == "ringback-heal"


def test_healed_events_share_the_limit_of_new_traces(
    public: Stack, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    from service.monitoring.traces.switch import open_tracing

    monkeypatch.setattr("service.monitoring.traces.sampling.time.monotonic", lambda: 1000.5)
    tracing = open_tracing("worker")
    assert tracing is not None
    monkeypatch.setattr("service.store.inbox.accept.traces_of_process", [tracing.raised])
    events = [NewEvent("id", "test.any", b"{}", "healed").traced() for _ in range(30)]
    asyncio.run(tracing.close())
    assert sum(each.trace is not None for each in events) == sampling.MAX_PER_SECOND


def test_events_of_a_run_that_is_not_sampled_have_no_trace(public: Stack, collector: Collector) -> None:
    router = Router()

    @router.on("test.cause")
    async def cause(event: Event, ctx: Context) -> None:
        await ctx.emit("test.derived", {}, key="one")

    public.start_worker(router)
    event = NewEvent("not-sampled", "test.cause", b'{"data":{"id":"not-sampled","event_type":"test.cause"}}', "webhook")
    public.ask(lambda store: accept(store, [event]))
    assert public.ended("not-sampled").state == "done"
    wanted = EventFilter(type="test.derived")
    [derived] = public.ask(lambda store: search(store, wanted, limit=2))
    assert public.recorded(derived.id).trace is None
    # The worker itself traces what it raises.
    assert traces_of_process
