"""How clients connect, by the form of the URL, without a server."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import redis.asyncio.connection as awaited
import redis.connection as blocking
from redis.asyncio import BlockingConnectionPool
from redis.asyncio import Redis as AwaitedRedis
from redis.exceptions import ConnectionError, ReadOnlyError, ResponseError  # noqa: A004 # its own

from service.processes.data_folder import NotRunning
from service.security.private_files import Exposed
from service.settings import InvalidSettings, Settings
from service.store import connection as module
from service.store import connection_kinds as kinds
from service.store.cluster import BlockingOwnerConnection, OwnerConnection, SlotOwner
from service.store.connection import (
    address_of,
    connect,
    connect_blocking,
    is_server_gone,
    is_through_cluster,
    leave_server,
    locate,
    server_time,
)
from service.store.password_file import PasswordFile
from service.store.redis_errors import WrongServer
from service.store.sentinel_pools import BlockingSentinelPool, SentinelPool

ROWS = [
    ("redis://u:p@host:7/3", "host:7", kinds._PlainConnection, kinds._BlockingPlainConnection),
    ("rediss://host?ssl_check_hostname=false", "host:6379", kinds._TlsConnection, kinds._BlockingTlsConnection),
    ("unix:///run/x.sock", "/run/x.sock", kinds._SocketConnection, kinds._BlockingSocketConnection),
    (
        "redis+cluster://a,b:8#{ns}",
        "the cluster of a:6379,b:8",
        kinds._ClusterConnection,
        kinds._BlockingClusterConnection,
    ),
    (
        "rediss+cluster://a?ssl_check_hostname=false#{ns}",
        "the cluster of a:6379",
        kinds._ClusterTlsConnection,
        kinds._BlockingClusterTlsConnection,
    ),
]


@pytest.mark.parametrize(("url", "address", "kind", "blocking_kind"), ROWS)
def test_a_client_connects_as_its_url_says(url: str, address: str, kind: Any, blocking_kind: Any) -> None:
    tasks, thread = connect(url, timeout=0.5, connections=7), connect_blocking(url, timeout=5)
    assert isinstance(tasks.connection_pool, BlockingConnectionPool)
    assert (tasks.connection_pool.max_connections, tasks.connection_pool.timeout) == (7, 0.5)
    for client, timeout, connecting, expected in ((tasks, 0.5, 0.5, kind), (thread, 5, 1.0, blocking_kind)):
        assert client.connection_pool.connection_class is expected
        assert address_of(client) == address
        options = client.connection_pool.connection_kwargs
        assert (options["socket_timeout"], options["socket_connect_timeout"]) == (timeout, connecting)
        assert (options["lib_name"], options["lib_version"], options["retry"]._retries) == (None, None, 0)
        assert is_through_cluster(client) is ("cluster" in url)  # type: ignore[arg-type] # either kind has a pool
        assert options.get("ssl_check_hostname") is (False if "ssl" in url else None)
    assert tasks.connection_pool.connection_kwargs["departures"] is kinds.departures_of(url)


def test_a_login_goes_where_it_belongs(tmp_path: Path) -> None:
    options = connect("redis://u:p@host:7/3", timeout=1, connections=1).connection_pool.connection_kwargs
    assert (options["username"], options["password"], options["db"]) == ("u", "p", 3)
    (file := tmp_path / "password").write_text("p")
    client = connect(f"redis://u@host?password_file={file}", timeout=1, connections=1)
    options = client.connection_pool.connection_kwargs
    assert options["credential_provider"] == PasswordFile(file, "u")
    assert "password" not in options


def test_the_owner_of_a_slot_is_asked_for_with_the_login_and_by_tls() -> None:
    options = connect("rediss+cluster://u:p@a#{ns}", timeout=9, connections=1).connection_pool.connection_kwargs
    owner: SlotOwner = options["owner"]
    assert (owner.namespace, owner.options["username"], owner.options["password"]) == ("{ns}", "u", "p")
    assert (owner.options["ssl"], owner.options["socket_timeout"]) == (True, 0.5)
    plain = connect("redis+cluster://a#{ns}", timeout=9, connections=1).connection_pool.connection_kwargs["owner"]
    assert "ssl" not in plain.options


def test_sentinels_name_the_primary() -> None:
    url = "rediss+sentinel://u:p@a,b:9/main/2?sentinel_password=s"
    tasks, thread = connect(url, timeout=3, connections=4), connect_blocking(url, timeout=3)
    assert isinstance(tasks.connection_pool, SentinelPool)
    assert isinstance(thread.connection_pool, BlockingSentinelPool)
    assert tasks.connection_pool.max_connections == 4
    for client, kind in ((tasks, kinds._SentinelTlsConnection), (thread, kinds._BlockingSentinelTlsConnection)):
        assert client.connection_pool.connection_class is kind
        assert address_of(client) == "master main of the sentinels"
        pool: Any = client.connection_pool
        first, second = pool.sentinel_manager.sentinels
        told = [each.connection_pool.connection_kwargs for each in (first, second)]
        assert [(each["host"], each["port"]) for each in told] == [("a", 26379), ("b", 9)]
        assert {each["password"] for each in told} == {"s"}
        assert {each["socket_timeout"] for each in told} == {3}
        options = client.connection_pool.connection_kwargs
        assert (options["username"], options["password"], options["db"]) == ("u", "p", 2)
    plain = connect("redis+sentinel://a/main", timeout=3, connections=4)
    assert plain.connection_pool.connection_class is kinds._SentinelConnection


@pytest.mark.anyio
@pytest.mark.parametrize("in_use", [True, False])
async def test_a_pool_that_is_closed_closes_its_ways_to_the_sentinels(
    monkeypatch: pytest.MonkeyPatch, *, in_use: bool
) -> None:
    url = "redis+sentinel://a,b/main"
    tasks, thread = connect(url, timeout=3, connections=4), connect_blocking(url, timeout=3)
    closed: list[str] = []

    async def aclose(name: str) -> None:
        closed.append(name)

    pool: Any = tasks.connection_pool
    for name, each in zip("ab", pool.sentinel_manager.sentinels, strict=True):
        monkeypatch.setattr(each, "aclose", lambda name=name: aclose(name))
    monkeypatch.setattr(BlockingConnectionPool, "disconnect", lambda *_: aclose("pool"))
    await pool.disconnect(in_use)
    assert closed == (["pool", "a", "b"] if in_use else ["pool"])
    threaded: Any = thread.connection_pool
    for name, each in zip("cd", threaded.sentinel_manager.sentinels, strict=True):
        monkeypatch.setattr(each, "close", lambda name=name: closed.append(name))
    threaded.disconnect(in_use)
    assert closed[1:] == (["a", "b", "c", "d"] if in_use else [])


def test_a_url_that_cannot_be_read_is_told() -> None:
    for opening in (lambda: connect("http://x", timeout=1, connections=1), lambda: connect_blocking("x", timeout=1)):
        with pytest.raises(InvalidSettings, match="REDIS_URL: must begin with one of"):
            opening()


def settings(url: str | None, data: Path) -> Settings:
    return Settings(redis_url=url, data=data, namespace="ns")


def test_the_place_of_redis_is_its_url_or_that_of_the_embedded_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert locate(settings("redis://host", tmp_path)) == "redis://host"
    in_cluster = settings("redis+cluster://host", tmp_path)
    assert locate(in_cluster) == f"redis+cluster://host#{in_cluster.namespace}"
    with pytest.raises(NotRunning):
        locate(settings(None, tmp_path))
    assert is_server_gone(settings(None, tmp_path))
    assert not is_server_gone(settings("redis://host", tmp_path))
    monkeypatch.setattr(module, "running_url", lambda _: "unix:///x")
    assert locate(settings(None, tmp_path)) == "unix:///x"
    assert not is_server_gone(settings(None, tmp_path))

    def refuse(_: Path) -> None:
        raise Exposed("everybody")

    monkeypatch.setattr(module, "require_private", refuse)
    with pytest.raises(InvalidSettings, match="RINGBACK_DATA: everybody"):
        locate(settings(None, tmp_path))


@pytest.mark.anyio
async def test_a_server_that_is_left_is_asked_for_anew_and_tells_the_time() -> None:
    client = connect("redis://host:99", timeout=1, connections=1)
    before = kinds.departures_of("redis://host:99").number
    leave_server(client)
    assert kinds.departures_of("redis://host:99").number == before + 1
    leave_server(AwaitedRedis())
    fake: Any = SimpleNamespace(time=None)

    async def time() -> tuple[int, int]:
        return (7, 8999)

    fake.time = time
    assert await server_time(fake) == 7008


@pytest.mark.anyio
async def test_a_connection_of_a_cluster_asks_for_the_owner_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def find() -> tuple[str, int]:
        asked.append("x")
        return ("owner", len(asked))

    owner: Any = SimpleNamespace(find=find)

    async def connected(self: Any) -> None:
        self.told = (self.host, self.port)

    monkeypatch.setattr(awaited.Connection, "connect", connected)
    monkeypatch.setattr(blocking.Connection, "connect", lambda self: setattr(self, "told", (self.host, self.port)))

    class Awaited(OwnerConnection, awaited.Connection): ...

    class Blocking(BlockingOwnerConnection, blocking.Connection): ...

    first: Any = Awaited(owner=owner)
    await first.connect()
    assert first.told == ("owner", 1)
    second: Any = Blocking(owner=owner)
    second.connect()
    assert second.told == ("owner", 2)
    monkeypatch.setattr(Awaited, "is_connected", True)
    second._sock = object()
    await first.connect()
    second.connect()
    assert len(asked) == 2
    second._sock = None


def reader(*, eof: bool = False, error: Exception | None = None, buffer: bytes = b"") -> Any:
    return SimpleNamespace(at_eof=lambda: eof, exception=lambda: error, _buffer=buffer)


def writer(*, closing: bool = False, waiting: int = 0) -> Any:
    sent: list[Any] = []
    return SimpleNamespace(
        is_closing=lambda: closing,
        transport=SimpleNamespace(get_write_buffer_size=lambda: waiting),
        writelines=sent.extend,
        sent=sent,
    )


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("reading", "writing"),
    [
        (None, None),
        (None, writer()),
        (reader(), None),
        (reader(eof=True), writer()),
        (reader(error=OSError()), writer()),
        (reader(), writer(closing=True)),
    ],
)
async def test_a_connection_that_is_closed_is_told_before_its_use(reading: Any, writing: Any) -> None:
    connection: Any = kinds._PlainConnection(departures=kinds.Departures())
    connection._reader, connection._writer = reading, writing
    with pytest.raises(ConnectionError, match="the connection is closed"):
        await connection.can_read_destructive()
    connection._reader = connection._writer = None


@pytest.mark.anyio
@pytest.mark.parametrize("buffer", [b"", b"-ERR x"])
async def test_what_nobody_asked_for_is_read(monkeypatch: pytest.MonkeyPatch, buffer: bytes) -> None:
    read: list[str] = []

    async def read_response(_: Any) -> None:
        read.append("x")

    connection: Any = kinds._PlainConnection(departures=kinds.Departures())
    monkeypatch.setattr(kinds._PlainConnection, "read_response", read_response)
    connection._reader, connection._writer = reader(buffer=buffer), writer()
    assert await connection.can_read_destructive() is bool(buffer)
    assert len(read) == bool(buffer)
    connection._reader = connection._writer = None


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("writing", "command", "health", "quick"),
    [
        (writer(), [b"a", b"b"], 0, True),
        (writer(waiting=1), [b"a"], 0, False),
        (writer(), b"a", 0, False),
        (writer(), "a", 0, False),
        (writer(), [b"a"], 5, False),
        (None, [b"a"], 0, False),
    ],
)
async def test_a_command_goes_the_short_way_where_nothing_waits(
    monkeypatch: pytest.MonkeyPatch, writing: Any, command: Any, health: int, *, quick: bool
) -> None:
    slow: list[Any] = []

    async def send(_: Any, command: Any, check_health: bool) -> None:  # noqa: FBT001 # redis-py's signature
        slow.append((command, check_health))

    monkeypatch.setattr(awaited.AbstractConnection, "send_packed_command", send)
    connection: Any = kinds._PlainConnection(departures=kinds.Departures(), health_check_interval=health)
    connection._writer = writing
    await connection.send_packed_command(command, False)
    assert slow == ([] if quick else [(command, False)])
    assert writing is None or writing.sent == (command if quick else [])
    connection._writer = None


@pytest.mark.anyio
async def test_a_connection_that_the_loop_finds_closed_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    given_up: list[bool] = []

    async def disconnect(_: Any, nowait: bool = False) -> None:  # noqa: FBT001, FBT002 # redis-py's signature
        given_up.append(nowait)

    def refuse(_: Any) -> None:
        raise RuntimeError("closed")

    monkeypatch.setattr(kinds._PlainConnection, "disconnect", disconnect)
    connection: Any = kinds._PlainConnection(departures=kinds.Departures())
    connection._writer = SimpleNamespace(transport=writer().transport, writelines=refuse)
    with pytest.raises(ConnectionError, match="the server has closed the connection"):
        await connection.send_packed_command([b"a"])
    assert given_up == [True]
    connection._writer = None


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("error", "code"),
    [(ReadOnlyError("x"), "READONLY"), (ResponseError("MOVED 1 a:1"), "MOVED"), (ResponseError("x"), None)],
)
async def test_a_wrong_server_is_left_with_all_connections(
    monkeypatch: pytest.MonkeyPatch, error: Exception, code: str | None
) -> None:
    left: list[str] = []

    async def read_response(_: Any) -> None:
        raise error

    async def disconnect(_: Any, nowait: bool = False) -> None:  # noqa: FBT001, FBT002 # redis-py's signature
        left.append("tasks")

    def refuse(_: Any) -> None:
        raise error

    monkeypatch.setattr(awaited.AbstractConnection, "read_response", read_response)
    monkeypatch.setattr(blocking.AbstractConnection, "read_response", refuse)
    monkeypatch.setattr(kinds._PlainConnection, "disconnect", disconnect)
    monkeypatch.setattr(kinds._BlockingPlainConnection, "disconnect", lambda _: left.append("thread"))
    departures = kinds.Departures()
    tasks, thread = kinds._PlainConnection(departures=departures), kinds._BlockingPlainConnection(departures=departures)
    with pytest.raises(WrongServer if code else ResponseError, match=code or "x"):
        await tasks.read_response()
    with pytest.raises(WrongServer if code else ResponseError, match=code or "x"):
        thread.read_response()
    assert (left, departures.number) == ((["tasks", "thread"], 2) if code else ([], 0))


@pytest.mark.parametrize("can_read", [True, False])
def test_a_thread_reads_what_nobody_asked_for(monkeypatch: pytest.MonkeyPatch, *, can_read: bool) -> None:
    read: list[str] = []
    monkeypatch.setattr(blocking.AbstractConnection, "can_read", lambda *_: can_read)
    monkeypatch.setattr(kinds._BlockingPlainConnection, "read_response", lambda _: read.append("x"))
    connection = kinds._BlockingPlainConnection(departures=kinds.Departures())
    assert connection.can_read() is can_read
    assert len(read) == can_read
