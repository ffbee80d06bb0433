"""A failover: the name points elsewhere, and the old primary lives on as a replica that keeps its connections."""

import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from redis import Redis

from service.cli.demo.stack import free_port
from service.store.connection import connect, connect_blocking
from service.store.redis_errors import WrongServer
from tests.pending import at_once, pending
from tests.processes.fleet import NAMESPACE, open_fleet
from tests.store.server_pair import Pair
from tests.telnyx_events import envelope
from tests.tiers import slow
from tests.waiting import wait_for

HANDLERS = """
from service import Context, Event, Router

router = Router()

@router.on("test.*")
async def nothing(event: Event, ctx: Context) -> None:
    await ctx.redis.incr("fleet:user:runs")
"""


def ready(port: int) -> httpx.Response:
    return httpx.get(f"http://127.0.0.1:{port}/readyz", trust_env=False, timeout=5)


@pytest.mark.slow  # real processes, and a failover
def test_ingress_and_worker_go_on_after_a_failover_without_a_restart(pair: Pair, tmp_path: Path) -> None:
    admin = free_port()
    with open_fleet(tmp_path, HANDLERS, REDIS_URL=pair.name.url, RINGBACK_LEASE="15s") as fleet:
        ingress, worker = fleet.start_ingress(), fleet.start_worker(RINGBACK_ADMIN_PORT=str(admin))
        fleet.accepted(first := envelope("test.one", {}))
        wait_for(lambda: state(pair.primary_redis, first) == b"done")
        wait_for(lambda: state(pair.replica_redis, first) == b"done")

        pair.demote()
        # Asked here for the first time of the worker; the ingress has not been asked since its start.
        answers = [ready(admin), ready(fleet.port)]
        assert [each.status_code for each in answers] == [503, 503]
        assert all("READONLY" in each.json()["error"] for each in answers)
        refused = envelope("test.two", {})
        assert fleet.deliver(refused).status_code == 503

        pair.move_name()
        moved = time.monotonic()
        wait_for(lambda: fleet.deliver(refused).status_code == 200)
        wait_for(lambda: state(pair.replica_redis, refused) == b"done")
        wait_for(lambda: [ready(each).status_code for each in (admin, fleet.port)] == [200, 200])
        assert time.monotonic() - moved < 5
        assert (ingress.poll(), worker.poll()) == (None, None)
        assert pair.replica_redis.get("fleet:user:runs") == b"2"


def state(redis: "Redis", event: dict[str, Any]) -> object:
    return at_once(redis.hget(f"{NAMESPACE}:event:{event['data']['id']}", "state"))


@pytest.mark.slow
@pytest.mark.anyio
async def test_one_pool_that_meets_the_wrong_server_takes_all_others_along(pair: Pair) -> None:
    url = pair.name.url
    reading, writing = (connect(url, timeout=2, connections=4) for _ in range(2))
    thread = connect_blocking(url, timeout=2)
    try:
        await reading.get("x")
        thread.get("x")
        await writing.set("x", "1")
        before = pair.name.connections
        pair.demote()
        pair.move_name()
        with pytest.raises(WrongServer, match="READONLY"):
            await writing.set("x", "2")
        await writing.set("x", "3")
        # These only read, which a replica answers, late: they must not stay with it.
        assert (await reading.get("x"), thread.get("x")) == (b"3", b"3")
        assert pair.name.connections == before + 3
    finally:
        await reading.aclose()
        await writing.aclose()
        thread.close()


@pytest.mark.slow
@pytest.mark.anyio
async def test_a_thread_that_meets_the_wrong_server_takes_the_others_along_too(pair: Pair) -> None:
    url = f"{pair.name.url}?db=0"
    reading, thread = connect(url, timeout=2, connections=4), connect_blocking(url, timeout=2)
    try:
        await reading.get("x")
        thread.get("x")
        pair.demote()
        pair.move_name()
        with pytest.raises(WrongServer):
            thread.set("x", "1")
        thread.set("x", "2")
        assert await reading.get("x") == b"2"
    finally:
        await reading.aclose()
        thread.close()


@pytest.mark.anyio
@pytest.mark.parametrize(
    "answer", ["READONLY", *slow("MASTERDOWN", "MOVED 1 a:1", "UNBLOCKED", "CLUSTERDOWN", "TRYAGAIN", "NOREPLICAS")]
)
async def test_each_answer_of_a_wrong_server_drops_the_connection(pair: Pair, answer: str) -> None:
    redis = connect(pair.name.url, timeout=2, connections=4)
    try:
        before = pair.name.connections
        with pytest.raises(WrongServer, match=answer.split(maxsplit=1)[0]):
            await pending(redis.eval(f"return redis.error_reply('{answer} told so')", 0))
        await redis.ping()
        assert pair.name.connections == before + 2
        with pytest.raises(Exception, match="OTHER"):
            await pending(redis.eval("return redis.error_reply('OTHER told so')", 0))
        await redis.ping()
        assert pair.name.connections == before + 2
    finally:
        await redis.aclose()
