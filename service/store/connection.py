"""Connections to Redis, from the URL forms that `REDIS_URL` takes.

A connection is dropped if its server says that it is the wrong one, as after a failover. All others of this process
to the same URL are dropped before their next use. So the name is resolved again.
"""

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import redis.asyncio.connection as awaited
import redis.asyncio.sentinel as awaited_sentinel
import redis.connection as blocking
import redis.sentinel as blocking_sentinel
from redis import Redis as BlockingRedis
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry as BlockingRetry

from service.processes.data_folder import NotRunning, running_url
from service.processes.redis_url import RedisTarget, format_address, parse_redis_url
from service.security.private_files import Exposed, require_private
from service.settings import InvalidSettings, Settings
from service.store.redis_errors import WrongServer, wrong_server

if TYPE_CHECKING:
    _Awaited = awaited.Connection
    _Blocking = blocking.Connection
else:
    _Awaited = _Blocking = object

CONNECT_SECONDS = 1.0


def locate(settings: Settings) -> str:
    """Return `REDIS_URL`, else the URL of the embedded server that `ringback up` runs on `RINGBACK_DATA`.

    Raises:
        service.processes.data_folder.NotRunning: `REDIS_URL` is unset and no embedded server answers.
        InvalidSettings: `REDIS_URL` is unset, and everybody on this machine could put a server into `RINGBACK_DATA`.
    """
    if settings.redis_url is not None:
        return settings.redis_url.get_secret_value()
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
    options = {**_options(url, target, timeout), "max_connections": connections, "retry": Retry(NoBackoff(), 0)}
    if target.master is not None:
        sentinel = awaited_sentinel.Sentinel(  # type: ignore[no-untyped-call]
            target.addresses, sentinel_kwargs=_sentinel_options(target, timeout)
        )
        kind = _SentinelTlsConnection if target.tls is not None else _SentinelConnection
        through_sentinel: Redis = sentinel.master_for(target.master, connection_class=kind, **options)
        return through_sentinel
    # A caller that finds all connections in use waits for one, as long as for a command.
    pool = BlockingConnectionPool(
        connection_class=_kind(target, _SocketConnection, _TlsConnection, _PlainConnection),
        timeout=timeout,  # type: ignore[arg-type]
        **options,
    )
    client: Redis = Redis.from_pool(pool)
    return client


def connect_blocking(url: str, *, timeout: float) -> BlockingRedis:
    """Return a client for a thread, otherwise like `connect`.

    Raises:
        InvalidSettings: the URL cannot be read.
    """
    target = _target(url)
    options = {**_options(url, target, timeout), "retry": BlockingRetry(NoBackoff(), 0)}
    if target.master is not None:
        sentinel = blocking_sentinel.Sentinel(  # type: ignore[no-untyped-call]
            target.addresses, sentinel_kwargs=_sentinel_options(target, timeout)
        )
        kind = _BlockingSentinelTlsConnection if target.tls is not None else _BlockingSentinelConnection
        through_sentinel: BlockingRedis = sentinel.master_for(target.master, connection_class=kind, **options)  # type: ignore[no-untyped-call]
        return through_sentinel
    pool = blocking.ConnectionPool(
        connection_class=_kind(target, _BlockingSocketConnection, _BlockingTlsConnection, _BlockingPlainConnection),
        **options,
    )
    client: BlockingRedis = BlockingRedis.from_pool(pool)
    return client


def address_of(redis: "Redis | BlockingRedis") -> str:
    """Return where a client connects to, without a login: fit for logs and errors."""
    pool = redis.connection_pool
    options = pool.connection_kwargs
    if "path" in options:
        return str(options["path"])
    if "host" in options:
        return format_address(options["host"], options["port"])
    return f"master {getattr(pool, 'service_name', '?')} of the sentinels"


async def server_time(redis: "Redis") -> int:
    """Return the server's time in milliseconds since 1970.

    Raises:
        redis.exceptions.RedisError: the server cannot be reached.
    """
    seconds, microseconds = await redis.time()
    return int(seconds) * 1000 + int(microseconds) // 1000


def _target(url: str) -> RedisTarget:
    try:
        return parse_redis_url(url)
    except ValueError as error:
        raise InvalidSettings(f"REDIS_URL: {error}") from None


def _options(url: str, target: RedisTarget, timeout: float) -> dict[str, Any]:
    """Return the options of every connection."""
    place: dict[str, Any] = {}
    if target.path is not None:
        place = {"path": target.path}
    elif target.master is None:
        place = dict(zip(("host", "port"), target.addresses[0], strict=True))
    return {
        **_timeouts(timeout),
        **place,
        **(target.tls or {}),
        **target.options,
        "db": target.database,
        "username": target.username,
        "password": target.password,
        "departures": _departures(url),
    }


def _sentinel_options(target: RedisTarget, timeout: float) -> dict[str, Any]:
    tls = {} if target.tls is None else {"ssl": True, **target.tls}
    return {**_timeouts(timeout), **target.sentinel_login, **tls}


def _timeouts(timeout: float) -> dict[str, Any]:
    # Without names of the driver: they cost two commands per connection, which a Redis user may lack the right to.
    return {
        "socket_timeout": timeout,
        "socket_connect_timeout": min(timeout, CONNECT_SECONDS),
        "lib_name": None,
        "lib_version": None,
    }


def _kind(target: RedisTarget, local: Any, tls: Any, plain: Any) -> Any:
    if target.path is not None:
        return local
    return plain if target.tls is None else tls


@dataclass
class Departures:
    """How often this process has left a server because it was the wrong one."""

    number: int = 0


@cache
def _departures(url: str) -> Departures:  # noqa: ARG001 - one for each URL
    return Departures()


class _Leaving(_Awaited):
    """A connection that leaves a wrong server, and takes the others along."""

    def __init__(self, *, departures: Departures, **options: Any) -> None:
        self._departures = departures
        self._seen = departures.number
        super().__init__(**options)

    async def connect(self) -> None:
        """Connect. One made before the latest departure is made anew."""
        if self._seen != self._departures.number and self.is_connected:
            await self.disconnect(nowait=True)
        if not self.is_connected:
            self._seen = self._departures.number
        await super().connect()  # type: ignore[no-untyped-call]

    async def read_response(self, *args: Any, **options: Any) -> Any:
        """Read an answer.

        Raises:
            WrongServer: another server is to be asked. This connection is closed.
        """
        try:
            return await super().read_response(*args, **options)
        except RedisError as error:
            if code := wrong_server(error):
                self._departures.number += 1
                await self.disconnect(nowait=True)
                raise WrongServer(code) from error
            raise


class _BlockingLeaving(_Blocking):
    """The same for a thread."""

    def __init__(self, *, departures: Departures, **options: Any) -> None:
        self._departures = departures
        self._seen = departures.number
        super().__init__(**options)  # type: ignore[no-untyped-call]

    def connect(self) -> None:
        """Connect. One made before the latest departure is made anew."""
        if self._seen != self._departures.number:
            self.disconnect()  # type: ignore[no-untyped-call]
        self._seen = self._departures.number
        super().connect()  # type: ignore[no-untyped-call]

    def read_response(self, *args: Any, **options: Any) -> Any:
        """Read an answer.

        Raises:
            WrongServer: another server is to be asked. This connection is closed.
        """
        try:
            return super().read_response(*args, **options)  # type: ignore[no-untyped-call]
        except RedisError as error:
            if code := wrong_server(error):
                self._departures.number += 1
                self.disconnect()  # type: ignore[no-untyped-call]
                raise WrongServer(code) from error
            raise


class _PlainConnection(_Leaving, awaited.Connection): ...


class _TlsConnection(_Leaving, awaited.SSLConnection): ...


class _SocketConnection(_Leaving, awaited.UnixDomainSocketConnection): ...


class _SentinelConnection(_Leaving, awaited_sentinel.SentinelManagedConnection): ...


class _SentinelTlsConnection(_Leaving, awaited_sentinel.SentinelManagedSSLConnection): ...


class _BlockingPlainConnection(_BlockingLeaving, blocking.Connection): ...


class _BlockingTlsConnection(_BlockingLeaving, blocking.SSLConnection): ...


class _BlockingSocketConnection(_BlockingLeaving, blocking.UnixDomainSocketConnection): ...


class _BlockingSentinelConnection(_BlockingLeaving, blocking_sentinel.SentinelManagedConnection): ...


class _BlockingSentinelTlsConnection(_BlockingLeaving, blocking_sentinel.SentinelManagedSSLConnection): ...
