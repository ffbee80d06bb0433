"""Errors of Redis in words, and what a server says of itself, without a server."""

import socket
import ssl
from collections import Counter
from types import SimpleNamespace
from typing import Any

import pytest
from redis import exceptions
from redis.exceptions import ResponseError
from redis.sentinel import MasterNotFoundError

from service.settings import InvalidSettings
from service.store import redis_errors
from service.store.redis_errors import (
    NotReplicated,
    WrongServer,
    describe_cause,
    describe_redis_error,
    error_code,
    is_cluster_refusal,
    is_outage,
    wrong_server,
)
from service.store.server_checks import (
    EncryptionFindings,
    Replica,
    Replication,
    ServerFindings,
    check_server,
    describe_refusals,
    replication_of,
    require_usable,
    server_version,
    unusable,
)


def raised(error: BaseException, cause: BaseException | None = None, context: BaseException | None = None) -> Any:
    error.__cause__, error.__context__ = cause, context
    return error


MOVING = ResponseError("Script attempted to access a non local key in a cluster node")
DENIED = ResponseError("ACL failure in script: User app has no permissions to run the 'hset' command")


@pytest.mark.parametrize(
    ("error", "code", "outage", "wrong"),
    [
        (exceptions.ReadOnlyError("x"), "READONLY", True, "READONLY"),
        (exceptions.BusyLoadingError("x"), "LOADING", True, None),
        (exceptions.OutOfMemoryError("x"), "OOM", True, None),
        (exceptions.NoPermissionError("x"), "NOPERM", False, None),
        (DENIED, "NOPERM", False, None),
        (MOVING, "MOVED", True, "MOVED"),
        (ResponseError("MOVED 7 host:1"), "MOVED", True, "MOVED"),
        (ResponseError("CROSSSLOT keys"), "CROSSSLOT", False, None),
        (ResponseError("MISCONF x"), "MISCONF", True, None),
        (ResponseError("unknown command"), None, False, None),
        (ResponseError("WRONGTYPE x"), "WRONGTYPE", False, None),
        (WrongServer("UNBLOCKED"), "UNBLOCKED", True, "UNBLOCKED"),
        (NotReplicated(2, 1), None, True, None),
        (exceptions.ConnectionError("MISCONF x"), None, True, None),
        (exceptions.TimeoutError("x"), None, True, None),
        (ValueError("MOVED x"), None, False, None),
        (raised(ValueError("x"), exceptions.ReadOnlyError("x")), None, False, "READONLY"),
        (raised(ValueError("x"), None, exceptions.ReadOnlyError("x")), None, False, "READONLY"),
        (raised(exceptions.ConnectionError("x"), OSError("READONLY x")), None, True, None),
    ],
)
def test_an_error_has_a_code_and_says_whether_another_server_is_to_be_asked(
    error: Any, code: str | None, wrong: str | None, *, outage: bool
) -> None:
    assert (error_code(error), is_outage(error), wrong_server(error)) == (code, outage, wrong)


def test_a_chain_of_errors_that_goes_in_a_circle_ends() -> None:
    first, second = ValueError("a"), ValueError("b")
    first.__cause__, second.__cause__ = second, first
    assert wrong_server(first) is None


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ResponseError("CROSSSLOT x"), True),
        (ResponseError("TRYAGAIN x"), True),
        (ResponseError("Script keys are not in the same slot"), True),
        (ResponseError("an undeclared key"), True),
        (MOVING, True),
        (ValueError("same slot"), False),
        (ResponseError("MISCONF x"), False),
    ],
)
def test_answers_of_a_cluster_are_told(error: Exception, *, expected: bool) -> None:
    assert is_cluster_refusal(error) is expected


def certificate(code: int) -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError("x")
    error.verify_code = code
    return error


def handshake(reason: str) -> ssl.SSLError:
    error = ssl.SSLError("x")
    error.reason = reason
    return error


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (DENIED, "NOPERM: the Redis user may not run HSET"),
        (ResponseError("ACL failure in script: no 'config|get' x"), "NOPERM: the Redis user may not run CONFIG GET"),
        (exceptions.NoPermissionError("No keys"), "NOPERM: the Redis user may not touch a key that is needed"),
        (NotReplicated(2, 1), "1 of 2 replicas confirmed the write in time"),
        (ResponseError("CROSSSLOT x"), "the server is in cluster mode, or the slot is on another server"),
        (ResponseError("ODDCODE x"), "ODDCODE"),
        (raised(exceptions.ConnectionError("x"), certificate(62)), "its certificate names another host"),
        (raised(exceptions.ConnectionError("x"), certificate(64)), "its certificate names another host"),
        (raised(exceptions.ConnectionError("x"), certificate(18)), "its certificate is not trusted"),
        (raised(exceptions.ConnectionError("x"), handshake("WRONG_VERSION_NUMBER")), "it does not speak TLS"),
        (raised(exceptions.ConnectionError("x"), handshake("ODD")), "the TLS handshake fails"),
        (MasterNotFoundError("x"), "no sentinel knows that master, or none answers"),
        (exceptions.AuthenticationError("x"), "the user name or password is wrong, or one is missing"),
        (raised(exceptions.ConnectionError("x"), socket.gaierror("x")), "no such host"),
        (raised(exceptions.ConnectionError("x"), ConnectionRefusedError()), "connection refused"),
        (raised(exceptions.ConnectionError("x"), FileNotFoundError()), "there is no socket at that path"),
        (raised(exceptions.ConnectionError("x"), PermissionError()), "this process may not open the socket"),
        (exceptions.TimeoutError("x"), "no answer in time"),
        (exceptions.InvalidResponse("Protocol Error: b'\\x15"), "it wants TLS"),
        (exceptions.ConnectionError("an odd word"), "no connection"),
        (exceptions.InvalidResponse("an odd word"), "InvalidResponse"),
        (ValueError("an odd word"), "ValueError"),
    ],
)
def test_a_cause_is_told_in_words_of_ours(error: Any, words: str) -> None:
    assert describe_cause(error) == words


def test_a_meaning_and_what_to_do_follow() -> None:
    for code, meaning in redis_errors._MEANINGS.items():
        if code not in {"CROSSSLOT", "MOVED", "ASK", "TRYAGAIN", "NOPERM"}:
            assert describe_cause(ResponseError(f"{code} x")) == f"{code}: {meaning}"
    for advice in redis_errors._WORDS["advice"]:
        assert advice["text"]
    text = describe_redis_error(exceptions.InvalidResponse("odd"), "host:1")
    assert text == "Redis at host:1: InvalidResponse. Next: check REDIS_URL and the server"


class Server:
    """A server that answers commands from a table. None refuses."""

    def __init__(self, **answers: Any) -> None:
        self._answers = answers
        self.connection_pool = SimpleNamespace(connection_kwargs={"host": "host", "port": 1})

    async def execute_command(self, name: str) -> Any:
        return self._answer(name)

    async def info(self, section: str) -> Any:
        return self._answer(section)

    async def config_get(self, name: str) -> Any:
        return self._answer(name.replace("-", "_"))

    def _answer(self, name: str) -> Any:
        if (answer := self._answers.get(name)) is None:
            raise ResponseError("NOPERM")
        return answer


HELLO = [b"server", b"valkey", b"version", b"8.1.0", b"mode", b"standalone"]


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("hello", "trouble", "version"),
    [
        (HELLO, None, "valkey 8.1.0"),
        ([b"version", b"7.0"], None, "7.0"),
        ([b"version", b"6.9.9"], "has version 6.9.9: use Redis or Valkey 7 or newer", "6.9.9"),
        ([b"version", b"odd", b"server", b"x"], None, "x odd"),
        ([b"mode", b"cluster"], "runs in cluster mode", "a server"),
        ([b"version"], None, "a server"),
        ("odd", None, "a server"),
        (None, None, "a server"),
    ],
)
async def test_a_server_says_whether_it_can_be_used(hello: Any, trouble: str | None, version: str) -> None:
    server: Any = Server(HELLO=hello)
    assert await server_version(server) == version
    said = await unusable(server)
    if trouble is None:
        assert said is None
        await require_usable(server)
        return
    assert said is not None
    assert said.startswith("Redis at host:1 ")
    assert trouble in said
    with pytest.raises(InvalidSettings, match="REDIS_URL: Redis at host:1"):
        await require_usable(server)


GOOD = {
    "persistence": {"aof_enabled": 1},
    "memory": {"maxmemory": 5, "maxmemory_policy": "noeviction"},
    "appendfsync": {"appendfsync": "always"},
}


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("changes", "risks", "warnings"),
    [
        ({}, [], []),
        ({"persistence": {"aof_enabled": 0}}, ["no append-only file"], []),
        ({"persistence": {}}, [], []),
        ({"appendfsync": {"appendfsync": "everysec"}}, [], ["of the last second or two."]),
        ({"appendfsync": {"appendfsync": "no"}}, [], ["appendfsync is no: a power loss"]),
        ({"persistence": {"aof_enabled": 0}, "appendfsync": {"appendfsync": "no"}}, ["no append-only file"], []),
        ({"memory": {"maxmemory": 5, "maxmemory_policy": "allkeys-lru"}}, ["(allkeys-lru)"], []),
        ({"memory": {"maxmemory": 0}}, [], ["Redis has no maxmemory"]),
        ({"memory": None}, [], ["may not run INFO:"]),
        ({"persistence": None, "appendfsync": None}, [], ["may not run INFO and CONFIG GET:"]),
    ],
)
async def test_what_may_be_lost_is_told(changes: dict[str, Any], risks: list[str], warnings: list[str]) -> None:
    found: ServerFindings = await check_server(Server(**(GOOD | changes)))  # type: ignore[arg-type] # in its place
    assert [any(each in told for told in found.risks) for each in risks] == [True] * len(found.risks)
    assert [any(each in told for told in found.warnings) for each in warnings] == [True] * len(found.warnings)


@pytest.mark.anyio
async def test_replicas_are_seen_as_their_primary_sees_them() -> None:
    told = {
        "connected_slaves": 2,
        "slave0": {"state": "online", "lag": 10},
        "slave1": {"state": "online", "lag": 11},
        "slave2": {"state": "online"},
    }
    server: Any = Server(replication=told, min_replicas_to_write={"min-replicas-to-write": "1"})
    found = await replication_of(server)
    assert found == Replication((Replica("online", 10), Replica("online", 11)), 1)
    assert [each.in_step for each in (*found.replicas, Replica("sync", 0), Replica("online", 0))] == [
        True,
        False,
        False,
        True,
    ]
    assert [found.behind(wanted) for wanted in (0, 1, 2, 3)] == [1, 1, 1, 2]
    bare: Any = Server(replication={"role": "master"})
    assert await replication_of(bare) == Replication((), 0)
    blind: Any = Server()
    assert await replication_of(blind) is None


def test_refusals_are_told_together() -> None:
    server: Any = Server()
    assert describe_refusals(server, []) is None
    assert describe_refusals(server, ["the command HSET", "the key x"]) == (
        "Redis at host:1: NOPERM: the Redis user may not use the command HSET, the key x."
        " Next: give it what docs/redis.md lists"
    )


def test_missing_keys_are_told_with_what_stands_under_them() -> None:
    findings = EncryptionFindings(Counter({"b": 2}), Counter({"a": 3, "b": 1}))
    first, second = findings.missing
    assert first.startswith("the encryption key a is missing: 0 opted-out numbers and 3 bodies are stored under it.")
    assert second.startswith("the encryption key b is missing: 2 opted-out numbers and 1 bodies are stored under it.")
    assert list(EncryptionFindings().missing) == []
