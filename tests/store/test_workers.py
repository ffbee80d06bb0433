"""The registry of workers: each is listed from its start to its stop, and a fleet without one is noticed."""

import json

import pytest

from service import Context, Event, Router
from service.store.inbox.leases import renewal
from service.store.inbox.workers import (
    SILENT_AFTER,
    WorkerInfo,
    WorkerSign,
    WorkerState,
    live_workers,
    read_workers,
)
from service.store.store import Store
from tests.cli.at_stack import run_at
from tests.monitoring.scraping import Scrape
from tests.stack import Stack
from tests.telnyx_events import envelope
from tests.waiting import wait_for

router = Router()


@router.on("slow.*")
async def sleeps(event: Event, ctx: Context) -> None:
    while not await ctx.redis.exists(f"{ctx.settings.namespace}:user:go"):
        pass


def sign(name: str, state: WorkerState = "working") -> WorkerSign:
    return WorkerSign(name, "0.1.0", 1_790_000_000_000, 100, "handlers:router", ("greet",), state=state)


def announce(stack: Stack, worker: str, told: WorkerSign) -> None:
    args = renewal(worker, (), lease=15, answered=0, sign=told)
    stack.ask(lambda store: store.run("renew", *args))


def silence(stack: Stack, worker: str, milliseconds: int) -> None:
    """Date the last sign of a worker back."""

    async def rewrite(store: Store) -> None:
        seen, _, told = (await store.redis.hget(store.keys.workers, worker) or b"").partition(b" ")  # type: ignore[misc]
        earlier = f"{int(seen) - milliseconds} {told.decode()}"
        await store.redis.hset(store.keys.workers, worker, earlier)  # type: ignore[misc]

    stack.ask(rewrite)


def listed(stack: Stack) -> dict[str, WorkerInfo]:
    return {each.sign.name: each for each in stack.ask(read_workers)}


def test_a_worker_is_listed_from_its_start_with_its_load_and_leaves_at_its_stop(stack: Stack) -> None:
    stack.start_worker(router, concurrency=7, lease=3.0)
    [(name, worker)] = wait_for(lambda: [each for each in listed(stack).items() if each[1].state == "working"])
    assert name.rpartition(":")[2].isdecimal()
    assert (worker.sign.concurrency, worker.sign.handlers, worker.sign.formats) == (7, ("sleeps",), (1,))
    assert worker.silent_for < SILENT_AFTER
    stack.deliver(body := envelope("slow.one", {}))
    wait_for(lambda: [each for each in listed(stack).values() if each.sign.running == 1])
    stack.ask(lambda store: store.redis.set(f"{store.namespace}:user:go", 1))
    stack.ended(body)
    stack.workers.close()
    assert listed(stack) == {}


def test_a_worker_without_a_sign_is_silent_then_forgotten(stack: Stack) -> None:
    for name in ("one", "two"):
        announce(stack, name, sign(name))
    silence(stack, "two", SILENT_AFTER + 1)
    assert {name: each.state for name, each in listed(stack).items()} == {"one": "working", "two": "silent"}
    assert stack.ask(live_workers) == 1
    silence(stack, "two", 3_600_000)
    announce(stack, "one", sign("one"))
    assert [*listed(stack)] == ["one"]


@pytest.mark.parametrize("state", ["working", "starting", "stopping"])
def test_a_stopping_worker_counts_as_none(stack: Stack, state: WorkerState) -> None:
    announce(stack, "one", sign("one", state))
    assert stack.ask(live_workers) == (state != "stopping")
    assert listed(stack)["one"].state == state


def test_a_damaged_sign_hides_no_other(stack: Stack) -> None:
    announce(stack, "one", sign("one"))

    async def damage(store: Store) -> None:
        for name, told in (("two", "x"), ("three", "5 [1]"), ("four", "5 {}")):
            await store.redis.hset(store.keys.workers, name, told)  # type: ignore[misc]

    stack.ask(damage)
    assert [*listed(stack)] == ["one"]


def test_a_fleet_without_a_worker_is_seen_by_readyz_and_metrics(stack: Stack) -> None:
    assert "no worker" in stack.http.get("/readyz").json()["warning"]
    assert Scrape(stack.http.get("/metrics").text).value("ringback_workers") == 0
    announce(stack, "one", sign("one"))
    assert stack.http.get("/readyz").json() == {"status": "ready"}
    assert Scrape(stack.http.get("/metrics").text).value("ringback_workers") == 1
    silence(stack, "one", SILENT_AFTER + 1)
    assert stack.http.get("/readyz").status_code == 200
    assert "no worker" in stack.http.get("/readyz").json()["warning"]


def test_the_command_lists_them_for_people_and_machines(stack: Stack) -> None:
    assert "No worker has given a sign" in run_at(stack, "workers").stderr
    announce(stack, "one", sign("host:1"))
    shown = run_at(stack, "workers")
    assert (shown.code, shown.stderr) == (0, "")
    assert "host:1" in shown.stdout
    assert "0 of 100" in shown.stdout
    [told] = json.loads(run_at(stack, "workers", "--json").stdout)
    assert (told["id"], told["name"], told["state"], told["handlers"]) == ("one", "host:1", "working", ["greet"])
    assert told["started_at"] == "2026-09-21T14:13:20.000Z"
