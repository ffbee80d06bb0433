"""Pools of connections to the primary that sentinels name."""

from typing import TYPE_CHECKING, Any

import redis.asyncio.sentinel as awaited
import redis.sentinel as blocking
from redis.asyncio import BlockingConnectionPool

if TYPE_CHECKING:
    _Waiting = awaited.SentinelConnectionPool
else:

    class _Waiting(awaited.SentinelConnectionPool, BlockingConnectionPool): ...


class SentinelPool(_Waiting):
    """A pool that closes its connections to the sentinels too. A caller that finds all in use waits for one."""

    async def disconnect(self, inuse_connections: bool = True) -> None:  # noqa: FBT001, FBT002 - redis-py's signature
        """Close connections. All of them, where the pool is closed."""
        await super().disconnect(inuse_connections)
        if inuse_connections:
            for each in self.sentinel_manager.sentinels:
                await each.aclose()


class BlockingSentinelPool(blocking.SentinelConnectionPool):
    """The same for threads. It makes as many connections as there are callers."""

    def disconnect(self, inuse_connections: bool = True) -> None:  # noqa: FBT001, FBT002
        """Close connections. All of them, where the pool is closed."""
        super().disconnect(inuse_connections)
        if inuse_connections:
            for each in self.sentinel_manager.sentinels:
                each.close()


def sentinel_pool(addresses: Any, master: str, sentinel_options: dict[str, Any], **options: Any) -> SentinelPool:
    """Return a pool for tasks."""
    sentinels = awaited.Sentinel(addresses, sentinel_kwargs=sentinel_options)  # type: ignore[no-untyped-call]
    return SentinelPool(master, sentinels, **options)  # type: ignore[no-untyped-call]


def blocking_sentinel_pool(
    addresses: Any, master: str, sentinel_options: dict[str, Any], **options: Any
) -> BlockingSentinelPool:
    """Return a pool for threads."""
    sentinels = blocking.Sentinel(addresses, sentinel_kwargs=sentinel_options)  # type: ignore[no-untyped-call]
    return BlockingSentinelPool(master, sentinels, **options)  # type: ignore[no-untyped-call]
