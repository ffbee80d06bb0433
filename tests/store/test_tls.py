"""TLS by an authority of our own, with certificates of clients, to one server, to sentinels and to a cluster."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from redis.exceptions import ConnectionError as CannotConnect

from service.store.connection import connect, connect_blocking
from service.store.redis_errors import describe_redis_error
from tests.processes.fleet import NAMESPACE, open_fleet
from tests.processes.running import ringback
from tests.store.cluster import SLOTS
from tests.store.server_process import ServerProcess, start_server
from tests.store.tls import Authority, Front, fronts
from tests.telnyx_events import envelope
from tests.tiers import slow
from tests.waiting import wait_for

HANDLERS = """
from service import Context, Event, Router

router = Router()

@router.on("test.*")
async def count(event: Event, ctx: Context) -> None:
    await ctx.redis.hincrby(ctx.keys.user("runs"), event.id, 1)
"""


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.make(tmp_path_factory.mktemp("tls") / "authority")


@contextmanager
def one_server(folder: Path, front: Front, _: Front) -> Iterator[tuple[ServerProcess, str]]:
    """A server behind a front. Gives both it and the URL without options."""
    with _server(folder, front) as server:
        yield server, f"rediss://127.0.0.1:{front.port}/0"


@contextmanager
def behind_sentinel(folder: Path, front: Front, other: Front) -> Iterator[tuple[ServerProcess, str]]:
    """A sentinel behind a front names a server behind another one."""
    with _server(folder / "server", front) as server, ExitStack() as stack:
        watch = f"monitor shop 127.0.0.1 {front.port} 1"
        sentinel = start_server(folder / "sentinel", is_sentinel=True, sentinel=[watch])
        stack.callback(sentinel.close)
        other.target = sentinel.port
        yield server, f"rediss+sentinel://127.0.0.1:{other.port}/shop/0"


@contextmanager
def in_cluster(folder: Path, front: Front, _: Front) -> Iterator[tuple[ServerProcess, str]]:
    """A server in cluster mode tells the front's port for its own."""
    with _server(folder, front, cluster_enabled="yes", cluster_announce_port=front.port) as server:
        server.ask("CLUSTER ADDSLOTSRANGE", 0, SLOTS - 1)
        wait_for(lambda: server.ask("CLUSTER INFO")["cluster_state"] == "ok")
        yield server, f"rediss+cluster://127.0.0.1:{front.port}"


@contextmanager
def _server(folder: Path, front: Front, **options: Any) -> Iterator[ServerProcess]:
    server = start_server(folder, **options)
    front.target = server.port
    try:
        yield server
    finally:
        server.close()


Place = Callable[[Path, Front, Front], AbstractContextManager[tuple[ServerProcess, str]]]


@pytest.mark.slow  # real processes
def test_ingress_worker_and_commands_work_by_tls(authority: Authority, tmp_path: Path) -> None:
    with (
        fronts(authority, 2) as (front, other),
        one_server(tmp_path / "server", front, other) as (server, url),
        open_fleet(tmp_path, HANDLERS, REDIS_URL=f"{url}?{authority.options}") as fleet,
    ):
        fleet.start_ingress()
        fleet.start_worker()
        fleet.accepted(event := envelope("test.one", {}))
        wait_for(lambda: server.redis.hexists(f"{NAMESPACE}:user:runs", event["data"]["id"]))
        assert ringback("audit", cwd=tmp_path, **fleet.environment).returncode == 0
        assert front.encrypted >= 3


@pytest.mark.anyio
@pytest.mark.parametrize("place", [one_server, *slow(behind_sentinel, in_cluster)])
async def test_tasks_and_threads_show_certificates_wherever_they_connect(
    authority: Authority, tmp_path: Path, place: Place
) -> None:
    with fronts(authority, 2) as (front, other), place(tmp_path / "servers", front, other) as (_, url):
        location = f"{url}?{authority.options}#{NAMESPACE}"
        async with connect(location, timeout=5, connections=1) as redis:
            await redis.set("x", "1")
        with connect_blocking(location, timeout=5) as thread:
            assert await asyncio.to_thread(thread.get, "x") == b"1"
        assert front.encrypted >= 2
        assert other.encrypted >= 2 or place is not behind_sentinel
        without = f"{url}?ssl_ca_certs={authority.folder}/ca.pem#{NAMESPACE}"
        async with connect(without, timeout=5, connections=1) as redis:
            with pytest.raises(CannotConnect):
                await redis.ping()


@pytest.mark.anyio
async def test_a_server_of_another_name_or_of_another_authority_is_refused(
    authority: Authority, tmp_path: Path
) -> None:
    other = Authority.make(tmp_path / "other")
    with fronts(authority, 1) as [front]:
        for url, told in {
            f"rediss://localhost:{front.port}?{authority.options}": "its certificate names another host",
            f"rediss://127.0.0.1:{front.port}?{other.options}": "its certificate is not trusted",
        }.items():
            async with connect(url, timeout=2, connections=1) as redis:
                with pytest.raises(CannotConnect) as refused:
                    await redis.ping()
                assert told in describe_redis_error(refused.value, "here")
