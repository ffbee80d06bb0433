"""RINGBACK_REPLICAS: what was answered with 200, and the intent of a send, stand on a replica too."""

import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.cli.connections import ask_at
from service.security.encryption import PLAIN
from service.store.connection import connect
from service.store.inbox import accept
from service.store.inbox.handler_records import HandlerRecord
from service.store.redis_errors import NotReplicated
from service.store.server_checks import replicas_of
from service.store.store import Store
from tests.pending import at_once
from tests.processes.fleet import NAMESPACE, Fleet, open_fleet
from tests.processes.load import under_load
from tests.processes.running import ringback
from tests.store.server_pair import Pair
from tests.telnyx_events import envelope, fresh_number
from tests.waiting import wait_for

HANDLERS = """
import asyncio
from pathlib import Path

from service import Context, Event, Router

router = Router()

@router.on("test.send")
async def send(event: Event, ctx: Context) -> None:
    while not Path("gate").exists():
        await asyncio.sleep(0.01)
    await ctx.telnyx.messages.send(from_="+13125550199", to=event.payload["to"], text="hello")

@router.on("test.plan")
async def plan(event: Event, ctx: Context) -> None:
    await ctx.schedule("test.later", {}, after=0, key=event.id)

@router.on("test.count")
async def count(event: Event, ctx: Context) -> None:
    await ctx.redis.hincrby(ctx.keys.user("runs"), event.id, 1)
"""


@pytest.fixture
def fleet(pair: Pair, tmp_path: Path) -> Iterator[Fleet]:
    with open_fleet(tmp_path, HANDLERS, REDIS_URL=pair.name.url, RINGBACK_REPLICAS="1", RINGBACK_LEASE="3s") as opened:
        opened.start_ingress()
        yield opened


def answer(fleet: Fleet, event: dict[str, Any]) -> tuple[int, str]:
    try:
        answered = fleet.deliver(event)
    except httpx.HTTPError:
        return 0, ""
    return answered.status_code, str(answered.json())


@pytest.mark.slow  # real processes
def test_an_event_that_no_replica_has_is_refused_also_when_it_comes_again(pair: Pair, fleet: Fleet) -> None:
    fleet.accepted(envelope("test.count", {}))
    event = envelope("test.count", {})
    pair.replica.process.send_signal(signal.SIGSTOP)
    for _ in range(2):
        began = time.monotonic()
        code, told = answer(fleet, event)
        assert (code, "0 of 1 replicas" in told) == (503, True)
        assert time.monotonic() - began < 2  # Telnyx's limit
    pair.replica.process.send_signal(signal.SIGCONT)
    wait_for(lambda: answer(fleet, event) == (200, "{'status': 'duplicate'}"))
    fleet.start_worker()
    wait_for(lambda: at_once(pair.primary_redis.hget(f"{NAMESPACE}:user:runs", event["data"]["id"])) in (b"1", "1"))


@pytest.mark.slow
@pytest.mark.anyio
async def test_a_script_that_finds_its_work_done_is_confirmed_too(pair: Pair) -> None:
    pair.replica.process.send_signal(signal.SIGSTOP)
    pair.primary_redis.set("intent", "written by another connection, and on no replica")
    async with connect(pair.primary.url, timeout=5, connections=1) as redis:
        store = Store(redis, NAMESPACE, PLAIN, replicas=1)
        with pytest.raises(NotReplicated):
            await store.run("effect_begin", "no-event", "no-lease", "name", 0, "run", 0, 1, "")
        pair.replica.process.send_signal(signal.SIGCONT)
        assert await store.run("effect_begin", "no-event", "no-lease", "name", 0, "run", 0, 1, "") == [b"lost"]


@pytest.mark.slow  # real processes
def test_a_send_waits_until_a_replica_has_its_intent(pair: Pair, fleet: Fleet) -> None:
    fleet.start_worker()
    number = fresh_number()
    fleet.accepted(envelope("test.send", {"to": number}))
    pair.replica.process.send_signal(signal.SIGSTOP)
    (fleet.folder / "gate").touch()
    # The intent stands on the primary, and it is confirmed by nobody.
    wait_for(lambda: list(pair.primary_redis.scan_iter(f"{NAMESPACE}:effect:*")))
    asked = waits(pair)
    wait_for(lambda: waits(pair) >= asked + 3)  # the replica was asked in vain, and again
    assert fleet.sent_to(number) == []
    pair.replica.process.send_signal(signal.SIGCONT)
    wait_for(lambda: len(fleet.sent_to(number)) == 1)


@pytest.mark.slow  # real processes
def test_no_replica_to_confirm_costs_a_handler_no_attempt(pair: Pair, fleet: Fleet) -> None:
    number = fresh_number()
    events = {"plan": envelope("test.plan", {}), "send": envelope("test.send", {"to": number})}
    fleet.accepted(*events.values())
    (fleet.folder / "gate").touch()
    pair.replica.process.send_signal(signal.SIGSTOP)
    fleet.start_worker(RINGBACK_HANDLER_TIMEOUT="2s")

    def handler(name: str) -> HandlerRecord | None:
        event_id = events[name]["data"]["id"]
        record = ask_at(pair.primary.url, NAMESPACE, PLAIN, lambda store: accept.find(store, event_id))
        return record.handlers.get(name) if record else None

    for name in events:
        waiting = wait_for(lambda name=name: found if (found := handler(name)) and found.waits else None)  # type: ignore[misc]
        assert (waiting.reason, waiting.attempts) == ("redis_unavailable", 0)
    pair.replica.process.send_signal(signal.SIGCONT)
    for name in events:
        wait_for(lambda name=name: (found := handler(name)) is not None and found.state == "done")  # type: ignore[misc]
    assert len(fleet.sent_to(number)) == 1


def waits(pair: Pair) -> int:
    """How often replicas were asked to confirm, by the primary's own account."""
    told = at_once(pair.primary_redis.info("commandstats"))
    return int(told.get("cmdstat_wait", {}).get("calls", 0))


@pytest.mark.slow  # real processes
def test_a_failover_loses_nothing_that_was_answered_with_200(pair: Pair, fleet: Fleet) -> None:
    fleet.start_worker()
    with under_load(fleet, lambda: envelope("test.count", {})) as load:
        load.wait_for_more(100)
        # Nobody waits for the replica: what it lacks at this moment is lost.
        pair.primary.process.kill()
        pair.replica_redis.replicaof("NO", "ONE")
        pair.replica_redis.config_set("min-replicas-to-write", 0)
        # The new primary has no replica. Those that deliver see 503 from now on.
        pair.move_name()
    held = {
        key.decode().rpartition(":")[2] for key in pair.replica_redis.scan_iter(f"{NAMESPACE}:event:*", count=10_000)
    }
    assert load.ids <= held
    environment = {**fleet.environment, "RINGBACK_REPLICAS": "0"}
    wait_for(lambda: _open(fleet, environment) == 0)
    audited = ringback("audit", "--json", cwd=fleet.folder, **environment)
    assert (audited.returncode, json.loads(audited.stdout)["difference"]) == (0, [])
    runs = at_once(pair.replica_redis.hgetall(f"{NAMESPACE}:user:runs"))
    assert {one.encode() for one in load.ids} <= set(runs)


def _open(fleet: Fleet, environment: dict[str, str]) -> int:
    told = ringback("audit", "--json", cwd=fleet.folder, **environment).stdout
    return int(json.loads(told)["open"]) if told else -1


@pytest.mark.slow
@pytest.mark.anyio
async def test_a_replica_that_is_missing_counts_as_behind(pair: Pair) -> None:
    async with connect(pair.primary.url, timeout=5, connections=1) as redis:

        async def behind() -> list[int]:
            found = await replicas_of(redis)
            assert found is not None
            return [found.behind(wanted) for wanted in (0, 1, 2)]

        assert await behind() == [0, 0, 1]
        pair.replica_redis.replicaof("NO", "ONE")
        wait_for(lambda: at_once(pair.primary_redis.info("replication"))["connected_slaves"] == 0)
        assert await behind() == [0, 1, 2]
