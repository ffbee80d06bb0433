"""Clients and stores of shadow runs: reads are real, and writes are refused or answered as if they had happened."""

from typing import Any

import pytest
from redis.asyncio import Redis

from service.security.encryption import PLAIN
from service.store.shadow_store import PretendingRedis, ReadOnlyRedis, ShadowWrite, is_read, refusal, shadow_of
from service.store.store import ScriptCall, Store
from tests.pending import pending
from tests.store.half_way import new_world


@pytest.fixture
async def key(server: "Redis") -> str:
    """A key that holds a text."""
    name = f"{new_world(server).keys.namespace}:text"
    await server.set(name, "before")
    return name


@pytest.mark.parametrize("command", ["GET", b"get", "hget", "CLIENT INFO"])
def test_commands_are_known_by_their_first_word(command: Any) -> None:
    assert is_read((command, "key")) is (command != "CLIENT INFO")
    assert not is_read(("SET", "key", "GET"))
    assert "ctx.redis only reads in a shadow run, and SET may write" in str(refusal(("set", "key", "get")))


@pytest.mark.anyio
async def test_a_reading_client_reads_and_refuses_the_rest(server: "Redis", key: str) -> None:
    redis = ReadOnlyRedis(connection_pool=server.connection_pool)
    assert await redis.get(key) == b"before"
    with pytest.raises(ShadowWrite, match="SET may write"):
        await redis.set(key, "after")
    with pytest.raises(ShadowWrite, match="cannot subscribe"):
        redis.pubsub()
    assert await server.get(key) == b"before"


@pytest.mark.anyio
async def test_a_pipeline_with_a_write_is_refused_whole_and_named_after_it(server: "Redis", key: str) -> None:
    redis = ReadOnlyRedis(connection_pool=server.connection_pool)
    async with redis.pipeline(transaction=False) as reading:
        reading.get(key)
        reading.exists(key)
        assert await reading.execute() == [b"before", 1]
        assert await reading.execute() == []
    async with redis.pipeline(transaction=False) as writing:
        writing.get(key)
        writing.append(key, "after")
        writing.delete(key)
        with pytest.raises(ShadowWrite, match="APPEND may write"):
            await writing.execute()
        assert await writing.execute() == []
    assert await server.get(key) == b"before"


@pytest.mark.anyio
async def test_a_pretending_client_answers_writes_as_if_they_had_happened(server: "Redis", key: str) -> None:
    redis = PretendingRedis(connection_pool=server.connection_pool)
    assert await redis.set(key, "after") is True
    async with redis.pipeline() as pipeline:
        pipeline.delete(key)
        pipeline.get(key)
        pipeline.incr(key)
        assert await pipeline.execute() == [True, b"before", True]
    async with redis.pipeline() as only:
        only.delete(key)
        assert await only.execute() == [True]
    assert await server.get(key) == b"before"


@pytest.mark.anyio
async def test_commands_of_a_transaction_are_sent_at_once_only_where_they_read(server: "Redis", key: str) -> None:
    for kind, pretends in ((ReadOnlyRedis, False), (PretendingRedis, True)):
        async with kind(connection_pool=server.connection_pool).pipeline() as pipeline:
            assert pipeline.pretends is pretends  # type: ignore[attr-defined]
            pipeline.watching = True
            assert await pending(pipeline.get(key)) == b"before"
            if pretends:
                assert await pending(pipeline.set(key, "after"))
            else:
                with pytest.raises(ShadowWrite, match="SET may write"):
                    await pending(pipeline.set(key, "after"))
    assert await server.get(key) == b"before"


@pytest.mark.anyio
async def test_a_shadow_store_runs_scripts_whose_writes_do_nothing(server: "Redis") -> None:
    store = Store(server, new_world(server).keys.namespace, PLAIN)
    shadow = shadow_of(store, PretendingRedis(connection_pool=server.connection_pool))
    assert (shadow.namespace, shadow.encryption) == (store.namespace, store.encryption)
    assert await shadow.run("pause", "paused:x", "x", "d", "a") == 1
    assert await shadow.run("pause", "paused:x", "x", "d", "a") == 1
    assert await store.run("pause", "paused:x", "x", "d", "a") == 1
    assert await shadow.run("pause", "paused:x", "x", "d", "a") == 0
    assert await shadow.run("permissions") == await store.run("permissions")
    with pytest.raises(NotImplementedError, match="not by digest: 'abc'"):
        await shadow._evaluate(ScriptCall(("abc", 1), confirmed=False))
