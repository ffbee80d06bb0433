"""The Redis server: rights, risks, speed, replicas, memory."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr
from redis import Redis

from service import clock
from service.cli.demo.stack import free_port
from service.doctor import server
from service.processes import embedded_server
from service.store.server_checks import Replica, Replication
from tests.doctor.looking import look, status
from tests.stack import Stack
from tests.telnyx_events import envelope
from tests.tiers import slow
from tests.waiting import wait_for


def test_a_server_is_named_with_version_and_round_trip(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    found = look(stack, "redis")
    assert found.status == "ok", found
    assert "valkey " in found.told
    monkeypatch.setattr(server, "SLOW", 0.0)
    assert status(stack, "redis") == "warning"
    gone = look(stack, "redis", redis_url=SecretStr("redis://127.0.0.1:1"))
    assert (gone.status, "127.0.0.1:1" in gone.told) == ("failed", True)
    assert "check `redis` failed" in look(stack, "queue", redis_url=SecretStr("redis://127.0.0.1:1")).told


def test_missing_rights_are_named(own_stack: Stack) -> None:
    own_stack.ask(
        lambda store: store.redis.execute_command(  # type: ignore[no-untyped-call]
            "ACL", "SETUSER", "default", "-zadd"
        )
    )
    found = look(own_stack, "redis")
    assert (found.status, "zadd" in found.told.lower()) == ("failed", True)


def test_settings_by_which_events_are_lost_are_named(own_stack: Stack) -> None:
    assert status(own_stack, "persistence") == "ok"
    own_stack.ask(lambda store: store.redis.config_set("appendfsync", "everysec"))
    found = look(own_stack, "persistence")
    assert (found.status, "everysec" in found.told) == ("warning", True)
    own_stack.ask(lambda store: store.redis.config_set("maxmemory-policy", "allkeys-lru"))
    found = look(own_stack, "persistence")
    assert (found.status, "noeviction" in found.told) == ("failed", True)


def test_the_clock_of_the_server_is_compared(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    assert status(stack, "redis clock") == "ok"
    now = clock.now
    monkeypatch.setattr(clock, "now", lambda: now() - 3600)
    found = look(stack, "redis clock")
    assert (found.status, "NTP" in found.told) == ("warning", True)


@pytest.fixture
def replica(own_stack: Stack, tmp_path: Path) -> Iterator["Redis"]:
    """A replica of the stack's own server."""
    socket = own_stack.host.redis_url.removeprefix("unix://").partition("?")[0]
    with embedded_server.start(tmp_path / "replica") as started, Redis.from_url(started.url) as there:
        port = free_port()
        with Redis(unix_socket_path=socket) as primary:
            # A replica comes by TCP.
            for name, value in {"bind": "127.0.0.1", "port": port, "repl-diskless-sync-delay": 0}.items():
                primary.config_set(name, value)
        there.replicaof("127.0.0.1", str(port))
        yield there
        there.replicaof("NO", "ONE")


@slow
def test_replicas_are_counted_and_the_limit_is_asked_for(own_stack: Stack, replica: "Redis") -> None:
    wait_for(lambda: "follow, " in look(own_stack, "replicas").told)
    found = look(own_stack, "replicas")
    assert (found.status, "min-replicas-to-write 1" in found.told) == ("warning", True)
    own_stack.ask(lambda store: store.redis.config_set("min-replicas-to-write", 1))
    assert look(own_stack, "replicas").told.startswith("1 follow.")


@pytest.mark.one_server("the servers of the tests' cluster have replicas")
def test_a_server_without_replicas_has_none(stack: Stack) -> None:
    assert (status(stack, "replicas"), look(stack, "replicas").told) == ("ok", "none")


def test_a_replica_that_does_not_follow_is_told_of(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    async def lagging(_: object) -> Replication:
        return Replication((Replica("online", 0), Replica("online", 60), Replica("wait_bgsave", 0)), 1)

    monkeypatch.setattr(server, "replication_of", lagging)
    found = look(stack, "replicas")
    assert (found.status, "2 of 3 replicas" in found.told) == ("warning", True)


@pytest.mark.parametrize(
    ("wanted", "expected", "told"),
    [(1, "failed", "every webhook is answered 503"), (3, "warning", "RINGBACK_REPLICAS=4"), (4, "ok", "each confirms")],
)
def test_replicas_that_confirm_are_compared_with_those_that_follow(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, wanted: int, expected: str, told: str
) -> None:
    async def following(_: object) -> Replication:
        return Replication((Replica("online", 0),) * (0 if expected == "failed" else 4), 1)

    monkeypatch.setattr(server, "replication_of", following)
    found = look(stack, "replicas", replicas=wanted)
    assert (found.status, told in found.told) == (expected, True)


def test_a_retention_that_does_not_fit_is_told_of(own_stack: Stack) -> None:
    own_stack.deliver(envelope("test.something", {"text": "x" * 2000}))
    found = look(own_stack, "memory")
    assert (found.status, "days of retention fit" in found.told) == ("ok", True)
    found = look(own_stack, "memory", retention=1e15, body_retention=1e15)
    assert (found.status, "shorten the retentions" in found.told) == ("warning", True)
    used = own_stack.ask(lambda store: store.redis.info("memory"))["used_memory"]
    own_stack.ask(lambda store: store.redis.config_set("maxmemory", int(used * 1.1)))
    assert status(own_stack, "memory") == "warning"
