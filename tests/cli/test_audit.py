"""`ringback audit` finds what somebody did behind Ringback's back, and nothing else."""

import asyncio
import json
from collections.abc import Callable
from typing import Any, cast

import pytest

from service.store.connection import connect
from service.store.inbox.accept import Counts, NewEvent, accept, cancel, pack_event
from service.store.inbox.audit import MOST_COUNTS, PAGE, audit
from service.store.inbox.handler_records import HandlerRecord
from service.store.inbox.leases import ClaimRequest, HandlerResults, claim, finish
from service.store.keys import Keys
from service.store.scripts import script
from service.store.store import Store
from tests.cli.deployment import Deployment
from tests.pending import at_once

Meddling = Callable[[Store], object]


def test_with_nothing_remembered_nothing_differs(deployment: Deployment) -> None:
    ran = deployment.run_process("audit", "--json")
    assert (ran.code, ran.stderr) == (0, "")
    assert json.loads(ran.stdout) == {"accepted": 0, "done": 0, "ignored": 0, "dead": 0, "open": 0, "difference": []}


def test_events_in_all_states_are_where_they_belong(deployment: Deployment) -> None:
    deployment.one_of_each()
    deployment.accept("later", delay=60_000)
    ran = deployment.run("audit", "--json")
    assert (ran.code, ran.stderr) == (0, "")
    assert json.loads(ran.stdout) == {"accepted": 6, "done": 1, "ignored": 1, "dead": 1, "open": 3, "difference": []}


def test_waits_half_done_runs_cancellations_and_duplicates_are_where_they_belong(deployment: Deployment) -> None:
    deployment.accept("soon", "late", "half", "twice")
    deployment.accept("twice")
    deployment.accept("twice", event_type="message.sent")
    deployment.accept("cancelled", delay=60_000)
    deployment.ask(lambda store: cancel(store, "cancelled", remember=60_000))
    deployment.finish("soon", greet=HandlerRecord("waiting", due=1))
    deployment.finish("late", greet=HandlerRecord("parked", due=2**42), thank=HandlerRecord("dead"))
    half, ended = deployment.claim("half", "greet", "thank"), {"greet": HandlerRecord("done")}
    deployment.ask(lambda store: finish(store, [HandlerResults.of(half, ended, release=False)]))
    ran = deployment.run("audit", "--json")
    assert (ran.code, ran.stderr) == (0, "")
    assert json.loads(ran.stdout) == {"accepted": 6, "done": 0, "ignored": 1, "dead": 0, "open": 5, "difference": []}


def test_people_get_a_sum(deployment: Deployment) -> None:
    deployment.one_of_each()
    assert deployment.run("audit").stdout == "5 accepted = 1 done + 1 ignored + 1 dead + 2 open\n0 differ\n"


def test_a_lease_that_lapsed_before_all_was_given_back_is_no_difference(deployment: Deployment) -> None:
    deployment.accept("one")
    lease = deployment.claim("one", "greet")
    ended = {"greet": HandlerRecord("done")}
    deployment.ask(lambda store: finish(store, [HandlerResults.of(lease, ended, release=False)]))
    deployment.redis.hset(deployment.keys.event("one"), "lease_until", "1")
    received = int(at_once(deployment.redis.hget(deployment.keys.event("one"), "received_at")) or 0)
    deployment.redis.zadd(deployment.keys.queue, {deployment.keys.job_id("one"): received})
    assert deployment.run("audit").code == 0


@pytest.mark.more_rights("the test asks by DUMP")
def test_it_changes_nothing(deployment: Deployment) -> None:
    deployment.one_of_each()
    deployment.redis.delete(deployment.keys.event("open"))
    before = contents(deployment)
    assert deployment.run("audit").code == 1
    assert contents(deployment) == before


@pytest.mark.parametrize(
    ("meddle", "event_id", "words"),
    [
        pytest.param(
            lambda store: store.redis.delete(store.keys.event("open")),
            "open",
            "its record is gone, though it is in the index of events",
            id="a record deleted",
        ),
        pytest.param(
            lambda store: store.redis.zrem(store.keys.queue, store.keys.job_id("open")),
            "open",
            "it is not in the queue, though open",
            id="an open event taken from the queue",
        ),
        pytest.param(
            lambda store: store.redis.zrem(store.keys.queue, store.keys.job_id("leased")),
            "leased",
            "it is not in the queue, though open",
            id="a running event taken from the queue",
        ),
        pytest.param(
            lambda store: store.redis.zincrby(store.keys.queue, 86_400_000, store.keys.job_id("open")),
            "open",
            "it is due in the queue at ",
            id="an open event put off",
        ),
        pytest.param(
            lambda store: store.redis.hset(store.keys.event("open"), "state", "done"),
            "open",
            "its state is done, though its record adds up to open",
            id="an open event called done",
        ),
        pytest.param(
            lambda store: store.redis.hset(store.keys.event("dead"), "state", "done"),
            "dead",
            "its state is done, though its record adds up to dead",
            id="a dead event called done",
        ),
        pytest.param(
            lambda store: store.redis.hset(store.keys.event("done"), "h:greet", '{"state":"pending"}'),
            "done",
            "its state is done, though its record adds up to open",
            id="a handler that is yet to run",
        ),
        pytest.param(
            lambda store: store.redis.hdel(store.keys.event("done"), "state"),
            "done",
            "its state is missing, though its record adds up to done",
            id="no state at all",
        ),
        pytest.param(
            lambda store: store.redis.hset(store.keys.event("done"), "handlers", "[[["),
            "done",
            "its state is done, though its record adds up to dead",
            id="a record that is damaged",
        ),
        pytest.param(
            lambda store: store.redis.zadd(store.keys.queue, {store.keys.job_id("done"): 1}),
            "done",
            "it is in the queue, though done",
            id="an ended event put into the queue",
        ),
        pytest.param(
            lambda store: store.redis.zrem(store.keys.dead, "dead"),
            "dead",
            "it is not in the index of dead events, though dead",
            id="a dead event that no list shows",
        ),
        pytest.param(
            lambda store: store.redis.zadd(store.keys.dead, {"ignored": 1}),
            "ignored",
            "it is in the index of dead events, though ignored",
            id="an ignored event among the dead",
        ),
        pytest.param(
            lambda store: store.redis.zrem(store.keys.events, "done"),
            "done",
            "it is not in the index of events, though done",
            id="an event that the index lost",
        ),
        pytest.param(
            lambda store: store.redis.hset(
                store.keys.event("stray"), mapping={"type": "x", "due": 1, "received_at": 1}
            ),
            "stray",
            "it is not in the index of events, though open",
            id="a record that was never accepted",
        ),
    ],
)
def test_what_was_done_behind_its_back_is_named(
    deployment: Deployment, meddle: Meddling, event_id: str, words: str
) -> None:
    deployment.one_of_each()
    meddle(cast("Store", deployment))
    ran = deployment.run("audit", "--json")
    assert ran.code == 1
    assert json.loads(ran.stdout)["difference"] == [event_id]
    [line] = [line for line in ran.stderr.splitlines() if line.startswith(f"{event_id}: ")]
    assert words in line
    assert "commands given by hand" in ran.stderr


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        pytest.param(
            {"accepted": 1}, "6 are counted as accepted, but done, ignored, dead and open make 5", id="the sum"
        ),
        pytest.param({"accepted": 1, "open": 1}, "but the index of events holds 5", id="the index of events"),
        pytest.param({"done": 1, "open": -1}, "but the index of ended events holds 2", id="the index of ended events"),
        pytest.param({"dead": 1, "open": -1}, "but the index of dead events holds 1", id="the index of dead events"),
        pytest.param(
            {"done": 1, "ignored": -1}, "2 are counted as done, but a full count finds 1", id="the full count"
        ),
    ],
)
def test_a_counter_changed_by_hand_contradicts(deployment: Deployment, changes: dict[str, int], words: str) -> None:
    deployment.one_of_each()
    for counter, change in changes.items():
        deployment.redis.hincrby(deployment.keys.counts, counter, change)
    ran = deployment.run("audit", "--json")
    assert (ran.code, json.loads(ran.stdout)["difference"]) == (1, [])
    assert words in ran.stderr


def test_repair_puts_events_and_counters_right(deployment: Deployment) -> None:
    deployment.one_of_each()
    redis, keys = deployment.redis, deployment.keys
    redis.zrem(keys.queue, keys.job_id("open"))
    redis.zrem(keys.dead, "dead")
    redis.zadd(keys.events, {"never": 1})
    redis.hincrby(keys.counts, "accepted", 7)
    redis.hincrby(keys.counts, "ignored", 3)
    assert deployment.run("audit").code == 1
    ran = deployment.run("audit", "--repair", "--json")
    assert (ran.code, ran.stderr) == (0, "")
    assert json.loads(ran.stdout) == {"accepted": 5, "done": 1, "ignored": 1, "dead": 1, "open": 2, "difference": []}
    assert deployment.run("audit").code == 0


@pytest.mark.slow
def test_a_real_process_fails_too(deployment: Deployment) -> None:
    deployment.one_of_each()
    deployment.redis.zrem(deployment.keys.queue, deployment.keys.job_id("open"))
    ran = deployment.run_process("audit")
    assert (ran.code, ran.stdout.splitlines()[-1]) == (1, "1 differ")
    assert ran.stderr.startswith("open: it is not in the queue, though open\n")


def test_every_page_is_looked_at(deployment: Deployment) -> None:
    ids = [f"event-{number}" for number in range(2 * PAGE + 100)]
    deployment.accept(*ids)
    gone = {ids[0], ids[PAGE], ids[-1]}
    deployment.redis.delete(*map(deployment.keys.event, gone))
    pages: list[int] = []
    found = deployment.ask(lambda store: audit(store, looked_at=pages.append))
    assert {each.event_id for each in found.differences} == gone
    assert max(pages) <= PAGE
    assert sum(pages) == MOST_COUNTS * len(ids)


def test_another_deployment_on_the_same_server_is_not_looked_at(deployment: Deployment) -> None:
    deployment.accept("one")
    longer = Keys(deployment.keys.namespace + "-too")
    deployment.redis.hset(longer.event("stray"), "state", "open")
    assert deployment.run("audit").code == 0


@pytest.mark.more_rights("the test asks by EVAL")
def test_events_that_arrive_during_every_count_leave_what_can_be_read_in_one_moment(deployment: Deployment) -> None:
    deployment.accept("first")

    def meanwhile(_: int) -> None:
        event_id = f"event-{deployment.redis.zcard(deployment.keys.events)}"
        arrival = NewEvent(event_id, "message.received", b"{}", "webhook")
        packed: Any = pack_event(arrival, deployment.encryption)
        deployment.redis.eval(script("accept").text, 1, deployment.keys.counts, packed)

    found = deployment.ask(lambda store: audit(store, looked_at=meanwhile))
    assert found.clean
    assert not found.counted
    assert found.totals.counters == Counts(accepted=1 + MOST_COUNTS, open=1 + MOST_COUNTS)


@pytest.mark.anyio
@pytest.mark.slow
async def test_under_load_nothing_is_called_a_difference(deployment: Deployment) -> None:
    async with connect(deployment.url, timeout=10, connections=4) as redis:
        store = Store(redis, deployment.namespace, deployment.encryption)
        working = asyncio.create_task(work(store, 2_000))
        audits = 0
        while not working.done():
            found = await audit(store)
            assert found.clean, found
            audits += 1
        await working
        found = await audit(store)
    assert audits > 1
    assert (found.clean, found.counted) == (True, True)
    assert found.totals.counters == Counts(accepted=2_000, done=1_500, dead=500)


async def work(store: Store, number: int) -> None:
    """Accept events and end them, every fourth as dead."""
    for start in range(0, number, 20):
        arrivals = [
            NewEvent(f"event-{each}", "message.received", b"{}", "webhook") for each in range(start, start + 20)
        ]
        await accept(store, arrivals)
        request = ClaimRequest("worker", start + 1, lease=60, limit=20, routes={"greet": ["*"]})
        claimed = await claim(store, request)
        for lease in claimed.leases:
            dies = int(lease.record.id.removeprefix("event-")) % 4 == 0
            ended = {"greet": HandlerRecord("dead" if dies else "done")}
            await finish(store, [HandlerResults.of(lease, ended, release=True)])


def contents(deployment: Deployment) -> dict[bytes, bytes]:
    """All of a deployment."""
    keys = deployment.redis.scan_iter(f"{deployment.keys.namespace}:*")
    return {key: at_once(deployment.redis.dump(key)) for key in keys}
