"""Connections to Redis, from the URL forms that `REDIS_URL` takes.

A connection is dropped if its server says that it is the wrong one, as after a failover. All others of this process
to the same URL are dropped before their next use. So the name is resolved again.
"""

from typing import Any

import redis.connection as blocking
from redis import Redis as BlockingRedis
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.retry import Retry as BlockingRetry

from service.processes.data_folder import NotRunning, running_url
from service.processes.redis_url import RedisTarget, format_address, is_cluster_url, parse_redis_url
from service.security.private_files import Exposed, require_private
from service.settings import InvalidSettings, Settings
from service.store.cluster import ASK_SECONDS, SlotOwner
from service.store.connection_kinds import Departures, awaited_kind, blocking_kind, departures_of
from service.store.password_file import PasswordFile
from service.store.sentinel_pools import blocking_sentinel_pool, sentinel_pool

CONNECT_SECONDS = 1.0


def locate(settings: Settings) -> str:
    """Return `REDIS_URL`, else the URL of the embedded server that `ringback up` runs on `RINGBACK_DATA`.

    That of a cluster ends in the namespace, after a `#`: connections ask for the owner of its slot.

    Raises:
        service.processes.data_folder.NotRunning: `REDIS_URL` is unset and no embedded server answers.
        InvalidSettings: `REDIS_URL` is unset, and everybody on this machine could put a server into `RINGBACK_DATA`.
    """
    if settings.redis_url is not None:
        url = settings.redis_url.get_secret_value()
        return f"{url}#{settings.namespace}" if is_cluster_url(url) else url
    try:
        require_private(settings.data)
    except Exposed as error:
        raise InvalidSettings(f"RINGBACK_DATA: {error}") from None
    return running_url(settings.data)


def is_server_gone(settings: Settings) -> bool:
    """Return whether the embedded server was to be used, and does not listen."""
    try:
        return settings.redis_url is None and not running_url(settings.data)
    except NotRunning:
        return True


def connect(url: str, *, timeout: float, connections: int) -> "Redis":
    """Return a client with a pool of its own. Nothing is sent until it is used.

    `timeout` is seconds for each command. None is retried here: only the caller knows whether it may be sent twice.

    Raises:
        InvalidSettings: the URL cannot be read.
    """
    target = _target(url)
    options = {
        **_options(url, target, timeout),
        "connection_class": awaited_kind(target),
        "max_connections": connections,
        "retry": Retry(NoBackoff(), 0),
        # Seconds for which a caller that finds all connections in use waits for one.
        "timeout": timeout,
    }
    if target.master is None:
        client: Redis = Redis.from_pool(BlockingConnectionPool(**options))
        return client
    pool = sentinel_pool(target.addresses, target.master, _sentinel_options(target, timeout), **options)
    through_sentinel: Redis = Redis.from_pool(pool)
    return through_sentinel


def connect_blocking(url: str, *, timeout: float) -> BlockingRedis:
    """Return a client for a thread, otherwise like `connect`.

    Raises:
        InvalidSettings: the URL cannot be read.
    """
    target = _target(url)
    kind, retry = blocking_kind(target), BlockingRetry(NoBackoff(), 0)
    options = {**_options(url, target, timeout), "connection_class": kind, "retry": retry}
    if target.master is None:
        client: BlockingRedis = BlockingRedis.from_pool(blocking.ConnectionPool(**options))
        return client
    pool = blocking_sentinel_pool(target.addresses, target.master, _sentinel_options(target, timeout), **options)
    through_sentinel: BlockingRedis = BlockingRedis.from_pool(pool)
    return through_sentinel


def address_of(redis: "Redis | BlockingRedis") -> str:
    """Return where a client connects to, without a login: fit for logs and errors."""
    pool = redis.connection_pool
    options = pool.connection_kwargs
    if "owner" in options:
        return str(options["owner"])
    if "path" in options:
        return str(options["path"])
    if "host" in options:
        return format_address(options["host"], options["port"])
    return f"master {getattr(pool, 'service_name', '?')} of the sentinels"


def is_through_cluster(redis: "Redis") -> bool:
    """Return whether a client asks a cluster for the owner of the slot."""
    return "owner" in redis.connection_pool.connection_kwargs


def leave_server(redis: "Redis") -> None:
    """Drop this process's connections to the server before their next use. So the primary is asked for again."""
    departures = redis.connection_pool.connection_kwargs.get("departures")
    if isinstance(departures, Departures):
        departures.number += 1


async def server_time(redis: "Redis") -> int:
    """Return the server's time in milliseconds since 1970.

    Raises:
        redis.exceptions.RedisError: the server cannot be reached.
    """
    seconds, microseconds = await redis.time()
    return int(seconds) * 1000 + int(microseconds) // 1000


def _target(url: str) -> RedisTarget:
    try:
        return parse_redis_url(url.partition("#")[0])
    except ValueError as error:
        raise InvalidSettings(f"REDIS_URL: {error}") from None


def _options(url: str, target: RedisTarget, timeout: float) -> dict[str, Any]:
    """Return the options of every connection."""
    place: dict[str, Any] = {}
    if target.cluster:
        place = {"owner": _owner(url, target)}
    elif target.path is not None:
        place = {"path": target.path}
    elif target.master is None:
        place = dict(zip(("host", "port"), target.addresses[0], strict=True))
    return {
        **_timeouts(timeout),
        **place,
        **(target.tls or {}),
        **target.options,
        **_login(target),
        "db": target.database,
        "departures": departures_of(url),
    }


def _owner(url: str, target: RedisTarget) -> SlotOwner:
    return SlotOwner(target, url.partition("#")[2], {**_timeouts(ASK_SECONDS), **_login(target), **_client_tls(target)})


def _login(target: RedisTarget) -> dict[str, Any]:
    if target.password_file is not None:
        return {"credential_provider": PasswordFile(target.password_file, target.username)}
    return {"username": target.username, "password": target.password}


def _sentinel_options(target: RedisTarget, timeout: float) -> dict[str, Any]:
    return {**_timeouts(timeout), **target.sentinel_login, **_client_tls(target)}


def _client_tls(target: RedisTarget) -> dict[str, Any]:
    """Return the options of TLS for a whole client, which makes its own connections."""
    return {} if target.tls is None else {"ssl": True, **target.tls}


def _timeouts(timeout: float) -> dict[str, Any]:
    # Without names of the driver: they cost two commands per connection, which a Redis user may lack the right to.
    return {
        "socket_timeout": timeout,
        "socket_connect_timeout": min(timeout, CONNECT_SECONDS),
        "lib_name": None,
        "lib_version": None,
    }
