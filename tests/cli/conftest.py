import sys
import uuid
from collections.abc import Iterator

import pytest
import structlog

from service.store.connection import connect_blocking, locate
from tests.cli.deployment import Deployment
from tests.stack import make_settings


@pytest.fixture
def deployment(shared_url: str) -> Iterator[Deployment]:
    """A namespace that no other test uses."""
    settings = make_settings(redis_url=shared_url, namespace=f"cli-{uuid.uuid4().hex}")
    with connect_blocking(locate(settings), timeout=30) as redis:
        yield Deployment(locate(settings), settings.namespace, redis)


@pytest.fixture(autouse=True)
def worker_logs() -> Iterator[None]:
    """Logs of workers in this process go to its own standard error, never into a command's output."""
    before = structlog.get_config()
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    yield
    structlog.configure(**before)
