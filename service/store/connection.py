"""Connections to Redis, from the URL forms that `REDIS_URL` takes."""

from typing import Any
from urllib.parse import unquote, urlsplit

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel
from redis.backoff import NoBackoff

from service.embedded import running_url
from service.settings import InvalidSettings, Settings

_SENTINEL_PORT = 26379


def locate(settings: Settings) -> str:
    """The URL of the Redis to use: `REDIS_URL`, else the embedded server that `ringback up` runs on `RINGBACK_DATA`.

    Raises:
        service.embedded.NotRunning: `REDIS_URL` is unset and no embedded server answers.
    """
    if settings.redis_url is not None:
        return settings.redis_url.get_secret_value()
    return running_url(settings.data)


def connect(url: str, *, timeout: float | None, connections: int) -> "Redis":
    """A client with a pool of its own; nothing is sent until it is used.

    `timeout` is seconds for each command; None waits as long as a blocking command takes. No command is retried here:
    only the caller knows whether it may be sent twice.

    Raises:
        InvalidSettings: the URL cannot be read.
    """
    options: dict[str, Any] = {
        "socket_timeout": timeout,
        "socket_connect_timeout": min(timeout, 1.0) if timeout else 1.0,
        "max_connections": connections,
        "retry": Retry(NoBackoff(), 0),
    }
    if url.startswith("redis+sentinel://"):
        return _through_sentinel(url, options)
    try:
        client: Redis = Redis.from_url(url, **options)
    except ValueError as error:
        raise InvalidSettings(f"REDIS_URL: {error}") from None
    return client


def _through_sentinel(url: str, options: dict[str, Any]) -> "Redis":
    """`redis+sentinel://[user:password@]host1[:port],host2/master[/db]`."""
    parts = urlsplit(url)
    login, _, hosts = parts.netloc.rpartition("@")
    username, _, password = login.partition(":")
    master, _, database = parts.path.strip("/").partition("/")
    if not hosts or not master or (database and not database.isdigit()):
        raise InvalidSettings("REDIS_URL: give redis+sentinel://host1,host2/master/db")
    sentinel = Sentinel(  # type: ignore[no-untyped-call]
        [_address(host) for host in hosts.split(",")],
        sentinel_kwargs={"socket_connect_timeout": options["socket_connect_timeout"]},
    )
    client: Redis = sentinel.master_for(
        master,
        db=int(database or 0),
        username=unquote(username) or None,
        password=unquote(password) or None,
        **options,
    )
    return client


def _address(host: str) -> tuple[str, int]:
    name, _, port = host.partition(":")
    if port and not port.isdigit():
        raise InvalidSettings(f"REDIS_URL: {port!r} is no port of a sentinel")
    return name, int(port or _SENTINEL_PORT)
