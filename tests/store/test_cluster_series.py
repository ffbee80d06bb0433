"""A cluster under load, again and again: failovers, a slot that moves to and fro, and slots that nobody serves."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.pending import at_once
from tests.processes.fleet import Fleet, open_fleet
from tests.processes.load import Load, under_load
from tests.processes.running import ringback
from tests.store.cluster import NODE_TIMEOUT, Cluster, Node, open_cluster
from tests.telnyx_events import envelope, fresh_number
from tests.waiting import wait_for

pytestmark = [pytest.mark.soak, pytest.mark.timeout(3600)]

HANDLERS = """
from service import Context, Event, Router

router = Router()

@router.on("test.send")
async def send(event: Event, ctx: Context) -> None:
    await ctx.telnyx.messages.send(from_="+13125550199", to=event.payload["to"], text="hello")
"""


@pytest.fixture
def cluster(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Cluster]:
    with open_cluster(tmp_path / "cluster", node_timeout=getattr(request, "param", NODE_TIMEOUT)) as opened:
        yield opened


@pytest.fixture
def fleet(cluster: Cluster, tmp_path: Path) -> Iterator[Fleet]:
    variables = {"REDIS_URL": cluster.url, "RINGBACK_REPLICAS": "1", "RINGBACK_LIMITS": "sms=1000"}
    with open_fleet(tmp_path, HANDLERS, **variables) as opened:
        opened.start_ingress()
        opened.start_worker()
        yield opened


@pytest.fixture
def load(fleet: Fleet) -> Iterator[Load]:
    with under_load(fleet, lambda: envelope("test.send", {"to": fresh_number()})) as opened:
        opened.wait_for_more(20)
        yield opened


def end(cluster: Cluster, fleet: Fleet, load: Load) -> None:
    """End the load. Nothing that was acknowledged may be missing, and nothing sent twice."""
    load.ended.set()

    def audited() -> dict[str, int] | None:
        ended = ringback("audit", "--json", cwd=fleet.folder, **fleet.environment)
        found = json.loads(ended.stdout or "{}")
        return found if ended.returncode == 0 and found["open"] == 0 else None

    counted = wait_for(audited, seconds=300)
    held = {each.decode() for each in at_once(cluster.owner().redis.zrange(f"{cluster.namespace}:events", 0, -1))}
    assert load.ids <= held
    assert counted["done"] == counted["accepted"] == len(held)
    numbers = {each.body["to"] for each in fleet.simulator.requests if each.method == "POST"}
    assert {len(fleet.sent_to(each)) for each in numbers} == {1}
    assert [each.poll() for each in fleet.processes] == [None, None]


def lose_owner(cluster: Cluster, load: Load, *, kill: bool) -> float:
    """Lose the owner of the slot, and get it back as a replica. Return the longest gap in seconds without a 200."""
    old, lost_at = cluster.owner(), time.monotonic()
    old.kill() if kill else old.stop()
    cluster.wait_for_another(old)
    # Its successor has no other replica that could confirm.
    old.start_again() if kill else old.go_on()
    cluster.wait_until_whole()
    load.wait_for_more(20)
    return load.longest_gap(lost_at)


def test_twenty_failovers_in_a_row(cluster: Cluster, fleet: Fleet, load: Load) -> None:
    gaps = [lose_owner(cluster, load, kill=number % 2 == 0) for number in range(20)]
    end(cluster, fleet, load)
    print(f"{len(load.ids)} acknowledged, gaps of {min(gaps):.1f} to {max(gaps):.1f} s")  # noqa: T201 - pytest -rP


@pytest.mark.parametrize("cluster", [30_000], indirect=True, ids=["without failovers"])
def test_a_slot_moves_to_and_fro(cluster: Cluster, fleet: Fleet, load: Load) -> None:
    for _ in range(10):
        source, target = cluster.begin_to_move_slot()
        # All scripts are refused from the first moment on, though all keys are still here.
        refused = load.refused
        wait_for(lambda: load.refused > refused + 5)
        while cluster.move_keys(source, target, most=100):
            pass
        cluster.end_move(target, source)
        moved, before = time.monotonic(), len(load.acknowledged)
        wait_for(lambda: len(load.acknowledged) > before)
        assert time.monotonic() - moved < 5
        load.wait_for_more(20)
        assert cluster.owner() is target
    end(cluster, fleet, load)
    print(f"{len(load.ids)} acknowledged, {load.refused} refused meanwhile")  # noqa: T201 - pytest -rP


def test_slots_that_nobody_serves_are_an_outage_of_all(cluster: Cluster, fleet: Fleet, load: Load) -> None:
    other = next(each for each in cluster.nodes if each.is_primary() and each is not cluster.owner())
    replica = next(each for each in cluster.nodes if each.follows(other.port))
    gone: tuple[Node, ...] = (replica, other)
    for each in gone:
        each.kill()
    wait_for(lambda: cluster.owner().ask("CLUSTER INFO")["cluster_state"] == "fail", seconds=60)
    refused = load.refused
    wait_for(lambda: load.refused > refused + 5)
    assert any(b"CLUSTERDOWN" in each.read_bytes() for each in fleet.folder.glob("*.log"))
    for each in gone:
        each.start_again()
    cluster.wait_until_whole()
    load.wait_for_more(20)
    end(cluster, fleet, load)
