"""Parked work: what a cause holds costs nothing, is set free when it is gone, and nothing of it is lost."""

import asyncio
import time
import warnings
from functools import partial
from typing import Any

import httpx
import pytest
import structlog
from pydantic import SecretStr

from service.cli.demo.stack import free_port
from service.outbound import gate
from service.outbound.api_call import Call
from service.outbound.errors import TelnyxResponse
from service.outbound.gate import Gate
from service.store.effects import blocks
from service.store.effects.blocks import probe, release
from service.store.facts import notices
from service.store.inbox import accept, maintenance
from service.store.inbox.audit import audit
from service.store.inbox.handler_records import HandlerRecord
from service.store.inbox.leases import ClaimRequest, claim
from service.store.inbox.records import EventRecord
from service.store.scripts import script
from service.store.store import Store
from service.worker.maintenance import Maintenance
from service.worker.readiness import notify_of_block
from tests.outbound.parking import PROFILE, open_by_name, parking, requests, sender, sends
from tests.pending import pending
from tests.stack import Stack
from tests.telnyx_events import envelope
from tests.waiting import wait_for

READ = Call("GET", "/messages/1")
LATER = 4_000_000_000_000
HELD = HandlerRecord("parked", due=LATER, reason="credentials", blocked_by="credentials", waiting_for="account")


def hear(stack: Stack, status: int) -> None:
    async def heard(store: Store) -> None:
        gate = Gate(store, stack.settings)
        await gate.report(READ, TelnyxResponse(status), event_id="any")

    stack.ask(heard)


def is_parked(record: EventRecord) -> bool:
    return "send" in record.handlers and record.handlers["send"].state == "parked"


def due_now(stack: Stack) -> int:
    async def count(store: Store) -> int:
        seconds, _ = await store.redis.time()
        return int(await store.redis.zcount(store.keys.queue, "-inf", (seconds + 1) * 1000))

    return stack.ask(count)


@pytest.fixture
def quick_probes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A minute is a quarter of a second."""
    monkeypatch.setattr(gate, "ACCOUNT_PROBE", 0.25)
    monkeypatch.setattr(gate, "OUTAGE_PROBES", (0.1, 0.4))


def test_a_wrong_key_parks_and_the_right_one_ends_it(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stack.simulator, "api_key", "KEY-right")
    port = free_port()
    with structlog.testing.capture_logs() as logs:
        stack.start_worker(sender(), admin_port=port)
        events = sends(20)
        for event in events:
            assert stack.deliver(event).status_code == 200
        for event in events:
            handler = stack.when(event, is_parked).handlers["send"]
            assert (handler.reason, handler.blocked_by, handler.attempts) == ("credentials", "credentials", 0)
            assert handler.due - (handler.waiting_since or 0) > 6 * 86_400_000
        refused = requests(stack)
        ready = httpx.get(f"http://127.0.0.1:{port}/readyz", trust_env=False)
        assert ready.status_code == 503
        assert "credentials since 20" in ready.json()["error"]
        assert "set TELNYX_API_KEY to a valid key" in ready.json()["error"]
        assert stack.http.get("/readyz").status_code == 200, "that of the ingress does not change"
        metrics = wait_for(lambda: _metrics(port, 'ringback_blocks{kind="credentials"} 1.0'))
        assert 'ringback_parked_events{kind="credentials"}' in metrics
        assert stack.ask(audit).clean
        stack.workers.close()

        port = free_port()
        stack.start_worker(sender(), api_key=SecretStr("KEY-right"), admin_port=port)
        assert [stack.ended(event).state for event in events] == ["done"] * 20
        assert httpx.get(f"http://127.0.0.1:{port}/readyz", trust_env=False).status_code == 200
    assert requests(stack) - refused == 20
    assert all(len(stack.sent_to(event["data"]["payload"]["number"])) == 1 for event in events)
    assert [line["event"].split(":")[0] for line in logs if line["log_level"] == "error"] == [
        "Telnyx refuses the API key (401)"
    ]
    assert stack.ask(audit).clean


def _metrics(port: int, wanted: str) -> str | None:
    text = httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False).text
    return text if wanted in text else None


def test_a_cause_of_the_account_notifies_a_person_once(stack: Stack) -> None:
    async def work(store: Store) -> list[notices.Notice]:
        gate = Gate(store, stack.settings, notify=partial(notify_of_block, store))
        for number in range(10):
            await gate.report(READ, TelnyxResponse(401), event_id=f"e{number}")
            await gate.report(READ, TelnyxResponse(500), event_id=f"e{number}")
        return await notices.take(store)

    [notice] = stack.ask(work)
    assert notice.cause == "work is parked (credentials)"
    [(entry, times)] = notice.entries.items()
    assert b"set TELNYX_API_KEY to a valid key and restart the worker" in entry
    assert times == 1


def test_an_account_that_is_mended_at_telnyx_is_noticed_without_a_restart(stack: Stack, quick_probes: None) -> None:
    stack.simulator.add_fault(method="POST", path="/messages", status=403, code="40333", times=3)
    stack.start_worker(sender())
    events = sends(3)
    for event in events:
        stack.deliver(event)
    assert [stack.ended(event).state for event in events] == ["done"] * 3
    assert requests(stack) <= 6


def test_a_disabled_profile_leaves_another_alone(stack: Stack) -> None:
    [disabled], [other] = sends(1), sends(1, profile="740572b6-099c-44a1-89b9-6c92163bc68d")
    to = disabled["data"]["payload"]["number"]
    stack.simulator.add_fault(path="/messages", recipient=to, status=403, code="40312", times=None)
    stack.start_worker(sender())
    stack.deliver(disabled)
    handler = stack.when(disabled, is_parked).handlers["send"]
    assert handler.blocked_by == f"profile_disabled:{PROFILE}"
    [same] = sends(1)
    stack.deliver(same)
    stack.when(same, is_parked)
    stack.deliver(other)
    assert stack.ended(other).state == "done"
    assert stack.sent_to(same["data"]["payload"]["number"]) == []
    assert open_by_name(stack)[f"profile_disabled:{PROFILE}"].parked == 2


def test_an_outage_parks_and_one_probe_at_a_time_finds_its_end(
    stack: Stack, quick_probes: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack.simulator.add_fault(path="/messages", status=503, times=None)
    stack.start_worker(sender())
    first, second = sends(5), sends(40)
    for event in first:
        stack.deliver(event)
    wait_for(lambda: "outage" in open_by_name(stack))
    before = requests(stack)
    for event in second:
        stack.deliver(event)
    wait_for(lambda: open_by_name(stack)["outage"].parked >= 38)
    probes = requests(stack) - before
    assert probes <= 12, "one at a time, and the first five come back to it"
    stack.simulator.clear_faults()
    assert [stack.ended(event).state for event in [*first, *second]] == ["done"] * 45
    assert all(len(stack.sent_to(event["data"]["payload"]["number"])) == 1 for event in [*first, *second])
    assert open_by_name(stack) == {}
    assert stack.ask(audit).clean


def test_nothing_is_dead_before_the_end_of_the_patience_and_then_it_is(stack: Stack) -> None:
    stack.simulator.add_fault(path="/messages", status=401, code="10009", times=None)
    stack.start_worker(sender(), max_wait=1.5)
    [event] = sends(1)
    stack.deliver(event)
    stack.when(event, is_parked)
    record = stack.ended(event)
    handler = record.handlers["send"]
    assert (record.state, handler.state, handler.reason) == ("dead", "dead", "credentials")
    assert (record.ended_at or 0) - record.received_at >= 1500
    assert open_by_name(stack)["credentials"].parked == 0


def test_what_is_parked_after_its_cause_was_lifted_is_due_at_once(stack: Stack) -> None:
    hear(stack, 401)
    hear(stack, 200)
    assert stack.ask(parking(3, HELD)) == ["open"] * 3
    assert due_now(stack) == 3
    record = stack.record("e000000")
    assert record is not None
    assert (record.handlers["one"].state, record.handlers["one"].blocked_by) == ("waiting", None)
    assert stack.ask(audit).clean


def test_a_cause_that_is_lifted_while_another_handler_of_the_event_still_runs_sets_it_free(stack: Stack) -> None:
    async def meanwhile(store: Store) -> Any:
        from service.store.inbox.leases import HandlerResults, finish

        await accept.accept(store, [accept.NewEvent("e", "test.one", b"{}", "webhook")])
        [lease] = (await claim(store, ClaimRequest("w", 1, 60, 1, {"one": ["*"], "two": ["*"]}))).leases
        await finish(store, [HandlerResults.of(lease, {"one": HELD}, release=False)])
        await Gate(store, stack.settings).report(READ, TelnyxResponse(200), event_id="any")
        assert await store.redis.zscore(store.keys.queue, store.keys.job_id("e")) > time.time() * 1000 + 30_000
        await finish(store, [HandlerResults.of(lease, {"two": HandlerRecord("done")}, release=True)])

    hear(stack, 401)
    stack.ask(meanwhile)
    assert due_now(stack) == 1


def test_what_is_parked_costs_no_claim_and_is_set_free_in_steps(stack: Stack) -> None:
    hear(stack, 401)
    stack.ask(parking(1000, HELD))
    assert due_now(stack) == 0
    assert stack.ask(release) == 0
    assert open_by_name(stack)["credentials"].parked == 1000
    hear(stack, 200)
    assert due_now(stack) == 50
    assert stack.ask(release) == blocks.STEP
    while stack.ask(release):
        pass
    assert due_now(stack) == 1000
    assert stack.ask(lambda store: store.redis.exists(f"{store.namespace}:blocks")) == 0
    assert stack.ask(audit).clean


def test_not_more_is_set_free_than_may_be_due_at_once(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "MOST_DUE", 200)
    hear(stack, 401)
    stack.ask(parking(500, HELD))
    hear(stack, 200)
    for _ in range(5):
        stack.ask(release)
    assert due_now(stack) == 200


def test_a_cause_that_opens_again_keeps_what_was_not_yet_set_free(stack: Stack) -> None:
    hear(stack, 401)
    stack.ask(parking(200, HELD))
    hear(stack, 200)
    hear(stack, 401)
    assert stack.ask(release) == 0
    assert open_by_name(stack)["credentials"].parked == 150
    hear(stack, 200)
    while stack.ask(release):
        pass
    assert due_now(stack) == 200


def test_the_oldest_parked_event_is_the_probe_where_nothing_new_comes(stack: Stack) -> None:
    hear(stack, 401)
    stack.ask(parking(10, HELD))
    assert stack.ask(probe) == 0
    assert stack.ask(lambda store: probe(store, at_once=True)) == 1
    record = stack.record("e000000")
    assert record is not None
    assert (record.handlers["one"].state, record.handlers["one"].blocked_by) == ("waiting", None)
    assert due_now(stack) == 1
    assert open_by_name(stack)["credentials"].parked == 9


def test_an_event_that_ends_otherwise_is_parked_no_more(stack: Stack) -> None:
    """Somebody drops it, say: whatever ends an event ends in settle."""

    async def drop(store: Store) -> None:
        dropped = HandlerRecord("dead", reason="dropped").to_json().decode()
        await pending(store.redis.hset(store.keys.event("e000000"), "h:one", dropped))
        await store.redis.zrem(store.keys.queue, store.keys.job_id("e000000"))
        assert (await maintenance.sweep(store, first=0)) == 1

    hear(stack, 401)
    stack.ask(parking(2, HELD))
    stack.ask(drop)
    assert open_by_name(stack)["credentials"].parked == 1
    assert stack.ask(accept.counts).dead == 1


def test_a_release_may_be_cut_short_at_any_moment(stack: Stack) -> None:
    """Each step is one script, and what is left is found again."""
    hear(stack, 401)
    stack.ask(parking(1000, HELD))

    async def cut(store: Store) -> None:
        await Gate(store, stack.settings).report(READ, TelnyxResponse(200), event_id="any")
        for steps in range(30):
            task = asyncio.create_task(Maintenance(stack.settings, store, "worker").run_once())
            for _ in range(steps):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        await Maintenance(stack.settings, store, "worker").run_once()

    stack.ask(cut)
    assert due_now(stack) == 1000
    assert stack.ask(audit).clean


@pytest.mark.soak
@pytest.mark.timeout(120)
@pytest.mark.filterwarnings("default::UserWarning")  # it tells what was measured
def test_ten_thousand_parked_events_are_released_within_seconds(stack: Stack) -> None:
    from service import Context, Event, Router

    router = Router()

    @router.on("test.one")
    async def one(event: Event, ctx: Context) -> None: ...

    hear(stack, 401)
    stack.ask(parking(10_000, HELD))
    stack.ask(lambda store: store.redis.config_set("slowlog-log-slower-than", 10_000))
    stack.ask(lambda store: store.redis.slowlog_reset())
    stack.start_worker(router)
    stack.deliver(fresh := envelope("test.one", {}))
    stack.ended(fresh)
    began = time.monotonic()
    hear(stack, 200)
    wait_for(lambda: stack.ask(lambda store: store.redis.exists(f"{store.namespace}:blocks")) == 0, seconds=30)
    released = time.monotonic() - began
    wait_for(lambda: stack.ask(accept.counts).done >= 10_001, seconds=60)
    done = time.monotonic() - began
    slowlog = stack.ask(lambda store: store.redis.slowlog_get(500))
    slow = [each["duration"] for each in slowlog if script("blocks_release").digest.encode() in each["command"]]
    told = (
        f"10,000 parked events: all due after {released:.1f} s, all done after {done:.1f} s, {len(slow)} slow scripts"
    )
    warnings.warn(told, UserWarning, stacklevel=1)
    assert released < 15, told
    assert len(slow) < 40, "of 200 steps; one that is too long is slow each time: " + told
    assert stack.ask(audit).clean
