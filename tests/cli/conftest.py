import sys
import uuid
from collections.abc import Iterator

import pytest
import structlog
from redis import Redis

from tests.cli.deployment import Deployment


@pytest.fixture
def deployment(redis_url: str) -> Iterator[Deployment]:
    """A namespace that no other test uses."""
    with Redis.from_url(redis_url) as redis:
        yield Deployment(redis_url, f"cli-{uuid.uuid4().hex}", redis)


@pytest.fixture(autouse=True)
def worker_logs() -> Iterator[None]:
    """Logs of workers in this process go to its own standard error, never into a command's output."""
    before = structlog.get_config()
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    yield
    structlog.configure(**before)
