"""The kinds of connections. Each leaves a server that is the wrong one, and takes the others of its process along."""

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import redis.asyncio.connection as awaited
import redis.asyncio.sentinel as awaited_sentinel
import redis.connection as blocking
import redis.sentinel as blocking_sentinel
from redis.exceptions import ConnectionError, RedisError

from service.processes.redis_url import RedisTarget
from service.store.cluster import BlockingOwnerConnection, OwnerConnection
from service.store.redis_errors import WrongServer, wrong_server

if TYPE_CHECKING:
    _Awaited = awaited.Connection
    _Blocking = blocking.Connection
else:
    _Awaited = _Blocking = object


@dataclass
class Departures:
    """How often this process has left a server because it was the wrong one."""

    number: int = 0


@cache
def departures_of(url: str) -> Departures:  # noqa: ARG001 - one for each URL
    """Return the count that all connections of this process to a URL share."""
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

    async def send_packed_command(self, command: Any, check_health: bool = True) -> None:  # noqa: FBT001, FBT002
        """Send a command. redis-py has a task and a timer for each, which only a full buffer needs.

        Raises:
            ConnectionError: the connection is closed.
        """
        writer = self._writer
        is_free = writer is not None and not writer.transport.get_write_buffer_size()
        try:
            if writer is None or not is_free or self.health_check_interval or isinstance(command, str | bytes):
                await super().send_packed_command(command, check_health)
            else:
                writer.writelines(command)
        except RuntimeError as error:
            # uvloop's word for a transport that the server has closed. asyncio's drops what is written to one.
            await self.disconnect(nowait=True)
            raise ConnectionError("the server has closed the connection") from error

    async def can_read_destructive(self) -> bool:
        """Return whether something came that nobody asked for. redis-py waits one turn of the loop for it.

        Raises:
            ConnectionError: the connection is closed, or the server refuses it in so many words.
        """
        reader, writer = self._reader, self._writer
        if reader is None or writer is None or reader.at_eof() or reader.exception() or writer.is_closing():
            raise ConnectionError("the connection is closed")
        if not reader._buffer:  # type: ignore[attr-defined]  # noqa: SLF001 - there is no other way to ask
            return False
        await self.read_response()
        return True

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

    def can_read(self, timeout: float = 0) -> bool:
        """Return whether something came that nobody asked for.

        Raises:
            ConnectionError: the server refuses the connection in so many words.
        """
        if not super().can_read(timeout):  # type: ignore[no-untyped-call]
            return False
        self.read_response()
        return True

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


class _ClusterConnection(_Leaving, OwnerConnection, awaited.Connection): ...


class _ClusterTlsConnection(_Leaving, OwnerConnection, awaited.SSLConnection): ...


class _BlockingPlainConnection(_BlockingLeaving, blocking.Connection): ...


class _BlockingTlsConnection(_BlockingLeaving, blocking.SSLConnection): ...


class _BlockingSocketConnection(_BlockingLeaving, blocking.UnixDomainSocketConnection): ...


class _BlockingSentinelConnection(_BlockingLeaving, blocking_sentinel.SentinelManagedConnection): ...


class _BlockingSentinelTlsConnection(_BlockingLeaving, blocking_sentinel.SentinelManagedSSLConnection): ...


class _BlockingClusterConnection(_BlockingLeaving, BlockingOwnerConnection, blocking.Connection): ...


class _BlockingClusterTlsConnection(_BlockingLeaving, BlockingOwnerConnection, blocking.SSLConnection): ...


def awaited_kind(target: RedisTarget) -> Any:
    """Return the class of the connections of a client for tasks."""
    return _AWAITED[_way(target), target.tls is not None]


def blocking_kind(target: RedisTarget) -> Any:
    """Return the class of the connections of a client for a thread."""
    return _BLOCKING[_way(target), target.tls is not None]


def _way(target: RedisTarget) -> str:
    if target.path is not None:
        return "socket"
    if target.master is not None:
        return "sentinel"
    return "cluster" if target.cluster else "host"


_AWAITED: dict[tuple[str, bool], Any] = {
    ("socket", False): _SocketConnection,
    ("host", False): _PlainConnection,
    ("host", True): _TlsConnection,
    ("sentinel", False): _SentinelConnection,
    ("sentinel", True): _SentinelTlsConnection,
    ("cluster", False): _ClusterConnection,
    ("cluster", True): _ClusterTlsConnection,
}
_BLOCKING: dict[tuple[str, bool], Any] = {
    ("socket", False): _BlockingSocketConnection,
    ("host", False): _BlockingPlainConnection,
    ("host", True): _BlockingTlsConnection,
    ("sentinel", False): _BlockingSentinelConnection,
    ("sentinel", True): _BlockingSentinelTlsConnection,
    ("cluster", False): _BlockingClusterConnection,
    ("cluster", True): _BlockingClusterTlsConnection,
}
