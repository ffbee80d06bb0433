"""Small parts of the store: the texts of scripts, errors of scripts, fields of later versions, and turns."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from redis import Redis as BlockingRedis
from redis import exceptions
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from service.security.encryption import PLAIN
from service.store import scripts
from service.store.inbox import order
from service.store.inbox.order import Turn
from service.store.key_types import keys_of_other_types
from service.store.later_fields import known_fields
from service.store.password_file import PasswordFile
from service.store.scripts import all_texts, is_script_error, run_blocking, script
from service.store.store import Store
from tests.pending import pending
from tests.store.half_way import new_world


def test_a_script_stands_below_its_libraries_and_says_whether_it_needs_room() -> None:
    def head(name: str, *, needs_room: bool = False) -> str:
        return script(name, needs_room=needs_room).text.partition("\n")[0]

    assert [head("accept"), head("finish"), head("finish", needs_room=True)] == [
        *("#!lua", "#!lua flags=allow-oom", "#!lua")
    ]
    text = script("finish").text
    order_of = [text.index(f"-- {name}") for name in ("start: ", "handlers: ", "settle(id)", "finish: ")]
    assert order_of == sorted(order_of)
    assert all(text.count(f"\n-- {name}") == 1 for name in ("handlers: ", "settle(id)", "changes: "))


def test_all_texts_are_those_of_scripts_and_libraries() -> None:
    files = [*Path(str(scripts._LUA)).glob("*.lua"), *Path(str(scripts._LIBRARIES)).glob("*.lua")]
    assert sorted(all_texts()) == sorted(each.read_text() for each in files)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ResponseError("user_script:9: attempt to index"), True),
        (ResponseError("WRONGTYPE Operation"), True),
        (ResponseError("hash value is not an integer"), True),
        (ResponseError("value is not an integer or out of range"), True),
        (ResponseError("OOM command not allowed"), False),
        (ResponseError("an error, WRONGTYPE"), False),
        (exceptions.ConnectionError("WRONGTYPE"), False),
        (ValueError("user_script:"), False),
    ],
)
def test_an_error_of_a_script_is_told_from_a_refusal(error: Exception, *, expected: bool) -> None:
    assert is_script_error(error) is expected


def test_a_thread_loads_a_script_that_the_server_has_forgotten(redis_url: str) -> None:
    with BlockingRedis.from_url(redis_url) as redis:
        redis.script_flush()
        assert run_blocking(redis, "sign_in_attempt", "scripts:counts", "x", 60) == 1
        assert run_blocking(redis, "sign_in_attempt", "scripts:counts", "x", 60) == 2
        redis.delete("scripts:sign_ins:x")


@dataclass
class Known:
    a: int
    b: int = 0


def test_fields_of_a_later_version_are_passed_over() -> None:
    assert known_fields(Known, b'{"a":1,"c":2}') == {"a": 1}
    assert known_fields(Known, b'{"b":1,"a":2}') == {"a": 2, "b": 1}
    with pytest.raises(ValueError, match="it is no JSON object"):
        known_fields(Known, b"[1]")


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("content", "user", "expected"), [("pass\n", None, ("pass",)), (" pass ", "ann", ("ann", "pass"))]
)
async def test_a_password_file_is_read_anew_each_time(
    tmp_path: Path, content: str, user: str | None, expected: tuple[str, ...]
) -> None:
    provider = PasswordFile(tmp_path / "password", user)
    for missing in (None, b"", b" \n", b"\xff"):
        if missing is not None:
            provider.path.write_bytes(missing)
        with pytest.raises(exceptions.ConnectionError, match="password_file holds no password"):
            provider.get_credentials()
    provider.path.write_text(content)
    assert provider.get_credentials() == expected
    assert await provider.get_credentials_async() == expected


@pytest.fixture
def store(server: "Redis") -> Store:
    return Store(server, new_world(server).keys.namespace, PLAIN)


@pytest.mark.anyio
async def test_events_are_in_the_order_of_acceptance_and_those_without_a_place_first(store: Store) -> None:
    for event_id, sequence in {"a": "3", "b": "1", "c": "x", "d": "2"}.items():
        await pending(store.redis.hset(store.keys.event(event_id), "sequence", sequence))
    await store.redis.set(store.keys.event("text"), "x")
    assert await order.in_order(store, ["a", "none", "b", "c", "text", "d"]) == ["c", "none", "text", "b", "d", "a"]


@pytest.mark.parametrize(
    ("stored", "turn"),
    [
        (b"?", None),
        (b"greet one", Turn({"greet": "one"}, follows=True)),
        (b"greet one\nlate two words", Turn({"greet": "one", "late": "two words"}, follows=True)),
    ],
)
def test_a_turn_is_read_as_a_claim_answers_it(stored: bytes, turn: Turn | None) -> None:
    assert order.read_turn(stored) == turn


@pytest.mark.anyio
async def test_keys_of_other_types_are_named_with_both(store: Store) -> None:
    await store.redis.set(f"{store.namespace}:queue", "x")
    await store.redis.zadd(f"{store.namespace}:counts", {"x": 1})
    await store.redis.zadd(f"{store.namespace}:events", {"x": 1})
    found: list[Any] = await keys_of_other_types(store)
    assert sorted(found) == [
        f"{store.namespace}:counts is a zset, not a hash",
        f"{store.namespace}:queue is a string, not a zset",
    ]
