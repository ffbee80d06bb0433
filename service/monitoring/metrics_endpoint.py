"""What `/metrics` answers: what this process counts, and the numbers of the whole deployment."""

import asyncio

from prometheus_client import CollectorRegistry, generate_latest
from redis.asyncio import Redis

from service.monitoring.deployment_metrics import deployment
from service.store.keys import Keys


class Exposition:
    """Makes the text, once for all who want it at the same time: its cost is bounded whoever asks."""

    def __init__(self, redis: "Redis", keys: Keys, registry: CollectorRegistry) -> None:
        self._redis = redis
        self._keys = keys
        self._registry = registry
        self._making: asyncio.Task[bytes] | None = None

    async def text(self) -> bytes:
        """All metrics, in Prometheus's text format."""
        if self._making is None or self._making.done():
            self._making = asyncio.create_task(self._make())
        return await asyncio.shield(self._making)

    async def _make(self) -> bytes:
        whole = CollectorRegistry()
        whole.register(await deployment(self._redis, self._keys))
        return generate_latest(self._registry) + generate_latest(whole)
