from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

from service.store.connection import connect
from tests.store.server_pair import Pair, opened_pair


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    """A primary and its replica that only this test uses."""
    with opened_pair(tmp_path) as opened:
        yield opened


@pytest.fixture
async def server(redis_url: str) -> AsyncIterator["Redis"]:
    """A client of the shared server."""
    async with connect(redis_url, timeout=10, connections=4) as redis:
        yield redis
