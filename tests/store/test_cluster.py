"""A Redis in cluster mode: one slot holds a deployment, and its owner is asked for whenever it changes."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.cli.connections import ask_at
from service.security.encryption import PLAIN
from service.settings import InvalidSettings, Settings, load
from service.store.connection import connect, locate
from service.store.inbox.accept import NewEvent, accept
from service.store.inbox.audit import audit as inbox_audit
from service.store.inbox.dead_letters import quarantine
from service.store.inbox.leases import ClaimRequest, claim
from service.store.redis_errors import WrongServer
from service.store.store import Store
from tests.pending import at_once
from tests.processes.fleet import Fleet, open_fleet
from tests.processes.running import ringback
from tests.store.cluster import SLOTS, Cluster, Node, keys_of, open_cluster
from tests.store.server_process import start_server
from tests.telnyx_events import envelope
from tests.waiting import wait_for

HANDLERS = """
import asyncio
from pathlib import Path

from service import Context, Event, Router

router = Router()

@router.on("test.*")
async def count(event: Event, ctx: Context) -> None:
    await ctx.redis.hincrby(ctx.keys.user("runs"), event.id, 1)
    while event.type == "test.gated" and not Path("gate").exists():
        await asyncio.sleep(0.01)
"""

CRON = """
@router.cron(minute=None, second=None)
async def tick(event: Event, ctx: Context) -> None:
    await ctx.redis.incr(ctx.keys.user("ticks"))
"""


def test_all_keys_of_a_deployment_lie_in_one_slot() -> None:
    settings = Settings(redis_url="redis+cluster://one,two:7000", namespace="shop")
    assert settings.namespace == "{shop}"
    assert locate(settings) == "redis+cluster://one,two:7000#{shop}"
    assert Settings(redis_url="redis+cluster://one").namespace == "{ringback}"
    assert Settings(redis_url="redis://one", namespace="shop").namespace == "shop"


def test_a_namespace_with_braces_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RINGBACK_NAMESPACE", "{shop}")
    with pytest.raises(InvalidSettings, match="RINGBACK_NAMESPACE"):
        load()


@pytest.mark.slow  # a cluster takes two seconds to begin
@pytest.mark.anyio
async def test_a_job_in_the_queue_whose_keys_lie_elsewhere_stops_no_claim_and_is_kept_as_dead(tmp_path: Path) -> None:
    server = start_server(tmp_path / "one", cluster_enabled="yes")
    try:
        server.ask("CLUSTER ADDSLOTSRANGE", 0, SLOTS - 1)
        wait_for(lambda: server.ask("CLUSTER INFO")["cluster_state"] == "ok")
        location = locate(Settings(redis_url=f"redis+cluster://127.0.0.1:{server.port}", namespace="shop"))
        async with connect(location, timeout=5, connections=2) as redis:
            store = Store(redis, "{shop}", PLAIN)
            await accept(store, [NewEvent("ours", "test.x", b"{}", "webhook")])
            await redis.zadd(store.keys.queue, {"theirs": 1, "{other}:theirs": 1})
            claimed = await claim(store, ClaimRequest("worker", 1, lease=60, limit=10, routes={"greet": ["*"]}))
            assert [each.record.id for each in claimed.leases] == ["ours"]
            assert sorted(claimed.foreign) == ["theirs", "{other}:theirs"]
            for job in claimed.foreign:
                assert await quarantine(store, job, "foreign", "not ours")
            assert await redis.zcard(store.keys.dead) == 2
            assert (await inbox_audit(store)).clean
    finally:
        server.close()


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    with open_cluster(tmp_path / "cluster") as opened:
        yield opened


@pytest.fixture
def fleet(cluster: Cluster, tmp_path: Path) -> Iterator[Fleet]:
    with open_fleet(tmp_path, HANDLERS, REDIS_URL=cluster.url, RINGBACK_LEASE="3s") as opened:
        opened.start_ingress()
        opened.start_worker()
        yield opened


def runs(cluster: Cluster) -> dict[bytes, bytes]:
    return at_once(cluster.owner().redis.hgetall(f"{cluster.namespace}:user:runs"))


def have_run(cluster: Cluster, events: list[dict[str, Any]]) -> bool:
    return {each["data"]["id"].encode() for each in events} <= set(runs(cluster))


def audit(fleet: Fleet) -> tuple[int, dict[str, Any]]:
    ended = ringback("audit", "--json", cwd=fleet.folder, **fleet.environment)
    return ended.returncode, json.loads(ended.stdout or "{}")


def status(fleet: Fleet, event: dict[str, Any]) -> int:
    try:
        return fleet.deliver(event).status_code
    except httpx.HTTPError:
        return 0


@pytest.mark.slow  # real processes
def test_events_go_on_within_seconds_after_the_owner_was_killed(cluster: Cluster, fleet: Fleet) -> None:
    before = [envelope("test.before", {}) for _ in range(20)]
    fleet.accepted(*before)
    wait_for(lambda: have_run(cluster, before))
    wait_for(cluster.replica_is_level)

    cluster.owner().kill()
    killed = time.monotonic()
    after = [envelope("test.after", {}) for _ in range(20)]
    wait_for(lambda: status(fleet, after[0]) == 200)
    assert time.monotonic() - killed < 10
    fleet.accepted(*after[1:])
    wait_for(lambda: have_run(cluster, after))
    assert {*runs(cluster).values()} == {b"1"}
    code, found = audit(fleet)
    assert (code, found["accepted"], found["done"], found["difference"]) == (0, 40, 40, [])


@pytest.mark.slow  # real processes
def test_events_go_on_while_the_owner_is_stopped_and_after_it_comes_back(cluster: Cluster, fleet: Fleet) -> None:
    fleet.accepted(first := envelope("test.first", {}))
    wait_for(lambda: have_run(cluster, [first]))
    wait_for(cluster.replica_is_level)
    stopped = cluster.owner()
    stopped.stop()
    second = envelope("test.second", {})
    wait_for(lambda: status(fleet, second) == 200, seconds=30)
    stopped.go_on()
    wait_for(lambda: stopped.answers() and not stopped.is_primary())
    fleet.accepted(third := envelope("test.third", {}))
    wait_for(lambda: have_run(cluster, [first, second, third]))
    assert audit(fleet)[0] == 0


def records(node: Node) -> dict[bytes, bytes | None]:
    """All that the server holds of events: records, indexes, counts and queue."""
    names = [each for kind in ("event:*", "events", "counts", "queue", "held:*") for each in keys_of(node, kind)]
    return {name: at_once(node.redis.dump(name)) for name in sorted(names)}


@pytest.mark.slow  # real processes
def test_a_slot_that_moves_is_an_outage_and_nothing_is_half_made(cluster: Cluster, fleet: Fleet) -> None:
    gated, refused = envelope("test.gated", {}), envelope("test.refused", {})
    fleet.accepted(gated)
    wait_for(lambda: have_run(cluster, [gated]))

    source, target = cluster.begin_to_move_slot()
    before = records(source)
    # The worker finishes the event: its record is here, and the indexes of ended events would be on the other server.
    (fleet.folder / "gate").touch()
    wait_for(lambda: any(b"another server" in each.read_bytes() for each in fleet.folder.glob("worker-*.log")))
    assert status(fleet, refused) == 503
    assert records(source) == before
    # Even where all keys of a script are here: in the middle of it one that is not yet there would be missing.
    with pytest.raises(WrongServer):
        ask_at(
            f"{cluster.url}#{cluster.namespace}",
            cluster.namespace,
            PLAIN,
            lambda store: store.run("summaries", gated["data"]["id"]),
        )
    assert cluster.move_keys(source, target, most=3) == 3
    assert status(fleet, refused) == 503
    while cluster.move_keys(source, target):
        pass
    cluster.end_move(target, source)
    moved = time.monotonic()
    wait_for(lambda: status(fleet, refused) == 200)
    assert time.monotonic() - moved < 5
    wait_for(lambda: have_run(cluster, [refused]))
    wait_for(lambda: audit(fleet)[1]["done"] == 2)
    code, found = audit(fleet)
    assert (code, found["accepted"], found["difference"]) == (0, 2, [])
    assert cluster.owner() is target


@pytest.mark.slow  # real processes
def test_periodic_handlers_run_on_a_cluster(cluster: Cluster, tmp_path: Path) -> None:
    with open_fleet(tmp_path, HANDLERS + CRON, REDIS_URL=cluster.url) as fleet:
        fleet.start_worker()
        wait_for(lambda: int(at_once(cluster.owner().redis.get(f"{cluster.namespace}:user:ticks")) or 0) >= 3)
        assert b"a job broke" not in (tmp_path / "worker-0.log").read_bytes()
