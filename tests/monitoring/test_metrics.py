"""What `/metrics` of an ingress and of a worker tell, and that it stays bounded."""

import time
from datetime import UTC, datetime, timedelta

import pytest
from prometheus_client import CollectorRegistry, generate_latest

import handlers
from service import Context, Discard, Event, Router
from service.ingress.metrics import IngressMetrics
from service.monitoring.counters import Labels, event_types
from service.store.effects.blocks import Block
from service.store.inbox import accept
from service.store.inbox.handler_records import HandlerRecord
from service.store.store import Store
from service.worker.metrics import HandlerMetrics
from service.worker.readiness import BlockMetrics
from service.worker.worker import Worker
from tests.monitoring.scraping import Scrape
from tests.pending import pending
from tests.stack import SMS_FROM, Stack
from tests.telnyx_events import envelope, finalized_rcs, fresh_number
from tests.waiting import wait_for


def ingress(stack: Stack) -> Scrape:
    return Scrape(stack.http.get("/metrics").text)


def worker_counts(worker: Worker) -> Scrape:
    return Scrape(generate_latest(worker._metrics.registry).decode())


def test_deliveries_are_counted_by_answer_reason_and_url(stack: Stack) -> None:
    event = envelope("test.x", {})
    for path in ("/webhooks", "/webhooks/failover"):
        stack.deliver(event, path=path)
    stack.http.post("/webhooks", content=b"{}")

    seen = ingress(stack)
    name = "ringback_deliveries_total"
    assert seen.value(name, status="200", reason="accepted", arrived_by="webhook") == 1
    assert seen.value(name, status="200", reason="duplicate", arrived_by="failover") == 1
    assert seen.value(name, status="200", reason="accepted", arrived_by="failover") == 0, "there before it rises"
    assert seen.sum(name, status="401") == 1
    assert seen.value("ringback_accept_seconds_count") == 3
    assert seen.value("ringback_accept_seconds_bucket", le="+Inf") == 3


def test_events_are_counted_once_by_type_with_the_time_since_they_occurred(stack: Stack) -> None:
    late, timeless = envelope("message.sent", {}), envelope("message.sent", {})
    late["data"]["occurred_at"] = (datetime.now(UTC) - timedelta(seconds=20)).isoformat()
    del timeless["data"]["occurred_at"]
    early = envelope("message.read", {})
    early["data"]["occurred_at"] = (datetime.now(UTC) + timedelta(seconds=20)).isoformat()
    for event in (late, late, timeless, early):
        stack.deliver(event)

    seen = ingress(stack)
    assert seen.value("ringback_events_accepted_total", type="message.sent") == 2
    assert seen.value("ringback_events_accepted_total", type="message.read") == 1
    name = "ringback_occurred_to_accepted_seconds"
    assert [seen.value(f"{name}_bucket", le=le) for le in ("0.1", "10.0", "30.0", "+Inf")] == [1, 1, 2, 2]
    assert 20 <= (seen.value(f"{name}_sum") or 0) < 30


def test_a_worker_counts_events_by_type_and_state_and_the_time_to_their_end(stack: Stack) -> None:
    router = Router()

    @router.on("test.good")
    async def good(event: Event, ctx: Context) -> None:
        await ctx.schedule("test.later", {}, after=0.1, key=event.id)

    @router.on("test.bad", max_attempts=1)
    async def bad(event: Event, ctx: Context) -> None:
        raise ValueError

    worker = stack.start_worker(router)
    events = [envelope(f"test.{kind}", {}) for kind in ("good", "bad", "unheard")]
    for event in events:
        stack.deliver(event)
    for event in events:
        stack.ended(event)
    wait_for(lambda: stack.ask(accept.counts).ignored == 2)

    def recorded() -> Scrape | None:
        seen = worker_counts(worker)
        return seen if seen.sum("ringback_events_ended_total") == 4 else None

    seen = wait_for(recorded)
    for kind, state in (("good", "done"), ("bad", "dead"), ("unheard", "ignored"), ("later", "ignored")):
        assert seen.value("ringback_events_ended_total", type=f"test.{kind}", state=state) == 1
    assert seen.value("ringback_accepted_to_ended_seconds_count") == 3, "what was timed for later has no age to tell"
    assert seen.value("ringback_handler_runs_total", handler="bad", state="dead", reason="ValueError") == 1
    assert seen.value("ringback_handler_seconds_count", handler="good") == 1


def test_effects_are_counted_by_operation_and_result(stack: Stack) -> None:
    number, name = fresh_number(), "ringback_effects_total"
    stack.simulator.add_fault(path="/messages", recipient=number, kind="status", status=503, times=1)
    worker = stack.start_worker(handlers.router)
    event = envelope("message.finalized", finalized_rcs("delivery_failed", number))
    stack.deliver(event)
    stack.ended(event)

    seen = worker_counts(worker)
    assert seen.value(name, operation="POST /messages", result="unknown") == 1
    assert seen.value(name, operation="POST /messages", result="done") == 1


def test_what_a_dry_run_would_have_sent_is_counted_as_that(stack: Stack) -> None:
    router = Router()

    @router.on("test.send")
    async def send(event: Event, ctx: Context) -> None:
        await ctx.telnyx.messages.send(to=fresh_number(), from_=SMS_FROM, text="Hello")
        await ctx.telnyx.messaging_tollfree.verification.requests.delete("some-id")

    worker = stack.start_worker(router, dry_run=True)
    event = envelope("test.send", {})
    stack.deliver(event)
    stack.ended(event)

    seen = worker_counts(worker)
    assert seen.labels("ringback_effects_total", "operation") == {"POST /messages", "DELETE /messaging_tollfree"}
    assert seen.labels("ringback_effects_total", "result") == {"would"}


def test_numbers_of_the_deployment_are_read_when_asked(stack: Stack) -> None:
    stack.deliver(envelope("test.x", {}))
    first, second = ingress(stack), ingress(stack)

    assert first.value("ringback_redis_up") == 1
    states = ("open", "done", "ignored", "dead")
    assert [first.value("ringback_events", state=state) for state in states] == [1, 0, 0, 0]
    assert (first.value("ringback_queue_events"), first.value("ringback_queue_due_events")) == (1, 1)
    assert (second.value("ringback_queue_age_seconds") or 0) > (first.value("ringback_queue_age_seconds") or 0) > 0
    assert (first.value("ringback_redis_memory_used_bytes") or 0) > 100_000
    assert first.value("ringback_audit_difference") == 0


@pytest.mark.parametrize("kind", ["paused", "credentials"])
def test_a_cause_that_is_over_is_counted_no_more(kind: str) -> None:
    metrics = BlockMetrics()
    for open_now, parked in (([Block(f"{kind}:greet", 0, "", "", parked=3)], 3), ([], 0)):
        metrics.show(open_now)
        shown = Scrape(generate_latest(metrics.registry).decode())
        assert shown.value("ringback_blocks", kind=kind) == len(open_now)
        assert shown.value("ringback_parked_events", kind=kind) == parked


def test_what_is_not_due_does_not_age(stack: Stack) -> None:
    router = Router()

    @router.on("test.x")
    async def later(event: Event, ctx: Context) -> None:
        await ctx.schedule("test.later", {}, after=3600, key=event.id)

    stack.start_worker(router)
    event = envelope("test.x", {})
    stack.deliver(event)
    stack.ended(event)

    seen = ingress(stack)
    assert (seen.value("ringback_queue_events"), seen.value("ringback_queue_due_events")) == (1, 0)
    assert seen.value("ringback_queue_age_seconds") == 0


def test_counters_that_contradict_each_other_are_seen(stack: Stack) -> None:
    stack.deliver(envelope("test.x", {}))

    async def tamper(store: Store) -> None:
        await pending(store.redis.hincrby(store.keys.counts, "done", 2))

    stack.ask(tamper)
    assert ingress(stack).value("ringback_audit_difference") == 4, "beside what was accepted, and beside the index"


def test_memory_that_is_left_is_told_where_there_is_a_limit(own_stack: Stack) -> None:
    name = "ringback_redis_memory_headroom_bytes"
    own_stack.ask(lambda store: store.redis.config_set("maxmemory", 0))
    assert ingress(own_stack).value(name) is None
    own_stack.ask(lambda store: store.redis.config_set("maxmemory", 2**30))
    seen = ingress(own_stack)
    assert (seen.value(name) or 0) + (seen.value("ringback_redis_memory_used_bytes") or 0) == 2**30


def test_without_redis_the_process_still_tells_what_it_counted(own_stack: Stack) -> None:
    own_stack.deliver(envelope("test.x", {}))

    async def stall(store: Store) -> None:
        await store.redis.client_pause(3000)

    own_stack.ask(stall)
    began = time.monotonic()
    seen = ingress(own_stack)
    assert time.monotonic() - began < 2.5
    assert seen.value("ringback_redis_up") == 0
    assert seen.sum("ringback_deliveries_total") == 1
    assert seen.sum("ringback_events") == 0
    assert "ringback_queue_age_seconds" not in seen.text, "rather nothing than an old number"


def test_types_that_anybody_makes_up_share_one_label() -> None:
    metrics = IngressMetrics()
    for number in range(1000):
        metrics.accepted(f"made.up_{number}", None, 0)
    seen = Scrape(generate_latest(metrics.registry).decode())

    assert len(seen.labels("ringback_events_accepted_total", "type")) == 101
    assert seen.sum("ringback_events_accepted_total") == 1000
    assert seen.value("ringback_events_accepted_total", type="other") == 900


@pytest.mark.parametrize(
    "text", ["", "a" * 65, "two words", "line\nbreak", "to.13125550123", "+13125550123", 'a"b', "é"]
)
def test_what_is_no_type_or_holds_a_number_is_no_label(text: str) -> None:
    assert event_types().of(text) == "other"


def test_what_was_known_once_stays_a_label() -> None:
    labels = Labels(r"\w+", most=2)
    assert [labels.of(text) for text in ("a", "b", "c", "a", "b")] == ["a", "b", "other", "a", "b"]


def test_reasons_that_authors_make_up_share_one_label() -> None:
    metrics = HandlerMetrics(CollectorRegistry())
    for number in range(1000):
        metrics.count("mine", HandlerRecord("done", reason=f"order_{number}"), 0.1, waited=0)
    metrics.count("other_handler", HandlerRecord("done", reason="not_armed"), 0.1, waited=0)
    seen = Scrape(generate_latest(metrics.registry).decode())

    assert len(seen.labels("ringback_handler_runs_total", "reason")) == 50 + len({"other", "not_armed"})
    assert seen.value("ringback_handler_runs_total", handler="other_handler", state="done", reason="not_armed") == 1


def test_a_reason_with_a_discard_is_counted(stack: Stack) -> None:
    router = Router()

    @router.on("test.x")
    async def choosy(event: Event, ctx: Context) -> None:
        raise Discard("not_armed")

    worker = stack.start_worker(router)
    event = envelope("test.x", {})
    stack.deliver(event)
    stack.ended(event)
    seen = worker_counts(worker)
    assert seen.value("ringback_handler_runs_total", handler="choosy", state="done", reason="not_armed") == 1
