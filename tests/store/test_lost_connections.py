"""A connection of the pool that was lost while nobody used it: the next command finds another."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
import uvloop

from service.store.connection import connect
from tests.stack import Stack


def _end(connection: Any) -> None:
    connection._reader.feed_eof()


def _reset(connection: Any) -> None:
    connection._reader.set_exception(ConnectionResetError())


def _close(connection: Any) -> None:
    connection._writer.transport.abort()


def _answer_twice(connection: Any) -> None:
    connection._reader.feed_data(b"+PONG\r\n")


@pytest.mark.parametrize("lose", [_end, _reset, _close, _answer_twice])
@pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def test_a_lost_connection_is_replaced_before_the_next_command(
    stack: Stack, lose: Callable[[Any], None], run: Callable[..., Any]
) -> None:
    async def use() -> None:
        redis = connect(stack.redis_url, timeout=2, connections=1)
        try:
            first = await redis.client_id()
            connection = await redis.connection_pool.get_connection()
            await redis.connection_pool.release(connection)
            lose(connection)
            assert await redis.client_id() > first
        finally:
            await redis.aclose()

    run(use())
