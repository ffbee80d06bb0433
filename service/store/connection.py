"""Connections to Redis, from the URL forms that `REDIS_URL` takes."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import unquote, urlsplit

from redis import Redis as BlockingRedis
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel
from redis.backoff import NoBackoff
from redis.retry import Retry as BlockingRetry
from redis.sentinel import Sentinel as BlockingSentinel

from service.embedded import running_url
from service.settings import InvalidSettings, Settings

_SENTINEL = "redis+sentinel://"
_SENTINEL_PORT = 26379


def locate(settings: Settings) -> str:
    """The URL of the Redis to use: `REDIS_URL`, else the embedded server that `ringback up` runs on `RINGBACK_DATA`.

    Raises:
        service.embedded.NotRunning: `REDIS_URL` is unset and no embedded server answers.
    """
    if settings.redis_url is not None:
        return settings.redis_url.get_secret_value()
    return running_url(settings.data)


def connect(url: str, *, timeout: float, connections: int) -> "Redis":
    """A client with a pool of its own; nothing is sent until it is used.

    `timeout` is seconds for each command. None is retried here: only the caller knows whether it may be sent twice.

    Raises:
        InvalidSettings: the URL cannot be read.
    """
    options = {**_options(timeout), "max_connections": connections, "retry": Retry(NoBackoff(), 0)}
    # Whoever finds all connections in use waits for one, as long as for a command.
    waiting = {"timeout": timeout}
    if url.startswith(_SENTINEL):
        hosts, master = _sentinel_parts(url)
        sentinel = Sentinel(hosts, sentinel_kwargs=_options(timeout))  # type: ignore[no-untyped-call]
        through_sentinel: Redis = sentinel.master_for(**master, **options)
        return through_sentinel
    with _told_as_setting():
        pool = BlockingConnectionPool.from_url(url, **options, **waiting)
        client: Redis = Redis.from_pool(pool)
        return client


def connect_blocking(url: str, *, timeout: float) -> BlockingRedis:
    """A client for a thread; otherwise like `connect`.

    Raises:
        InvalidSettings: the URL cannot be read.
    """
    options = {**_options(timeout), "retry": BlockingRetry(NoBackoff(), 0)}
    if url.startswith(_SENTINEL):
        hosts, master = _sentinel_parts(url)
        sentinel = BlockingSentinel(hosts, sentinel_kwargs=_options(timeout))  # type: ignore[no-untyped-call]
        through_sentinel: BlockingRedis = sentinel.master_for(**master, **options)  # type: ignore[no-untyped-call]
        return through_sentinel
    with _told_as_setting():
        client: BlockingRedis = BlockingRedis.from_url(url, **options)
        return client


async def server_time(redis: "Redis") -> int:
    """The server's time in milliseconds since 1970.

    Raises:
        redis.exceptions.RedisError: the server cannot be reached.
    """
    seconds, microseconds = await redis.time()
    return int(seconds) * 1000 + int(microseconds) // 1000


@contextmanager
def _told_as_setting() -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        raise InvalidSettings(f"REDIS_URL: {error}") from None


def _options(timeout: float) -> dict[str, Any]:
    return {"socket_timeout": timeout, "socket_connect_timeout": min(timeout, 1.0)}


def _sentinel_parts(url: str) -> tuple[list[tuple[str, int]], dict[str, Any]]:
    """The sentinels and the master in `redis+sentinel://[user:password@]host1[:port],host2/master[/db]`."""
    parts = urlsplit(url)
    login, _, hosts = parts.netloc.rpartition("@")
    username, _, password = login.partition(":")
    master, _, database = parts.path.strip("/").partition("/")
    if not hosts or not master or (database and not database.isdigit()):
        raise InvalidSettings("REDIS_URL: give redis+sentinel://host1,host2/master/db")
    return [_address(host) for host in hosts.split(",")], {
        "service_name": master,
        "db": int(database or 0),
        "username": unquote(username) or None,
        "password": unquote(password) or None,
    }


def _address(host: str) -> tuple[str, int]:
    name, _, port = host.partition(":")
    if port and not port.isdigit():
        raise InvalidSettings(f"REDIS_URL: {port!r} is no port of a sentinel")
    return name, int(port or _SENTINEL_PORT)
