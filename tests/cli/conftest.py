import uuid
from collections.abc import Iterator

import pytest
from redis import Redis

from tests.cli.deployment import Deployment


@pytest.fixture
def deployment(redis_url: str) -> Iterator[Deployment]:
    """A namespace that no other test uses."""
    with Redis.from_url(redis_url) as redis:
        yield Deployment(redis_url, f"cli-{uuid.uuid4().hex}", redis)
