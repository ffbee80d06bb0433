"""How many connections a server holds open: fewer than the process has descriptors, so that none locks others out."""

from typing import Protocol
from weakref import WeakKeyDictionary

from uvicorn.server import ServerState

RESERVED = 64
"""Descriptors for Redis, the admin port, logs and files."""
MAX_CONNECTIONS = 10_000


class Closable(Protocol):
    """A connection."""

    def close(self) -> None:
        """End it."""


class ConnectionLimit:
    """Closes the connection that has been idle for longest, where there are too many; idle is who awaits no answer."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._busy: set[Closable] = set()
        self._idle: dict[Closable, None] = {}
        """In the order in which they became idle."""

    @classmethod
    def of(cls, server: ServerState) -> "ConnectionLimit":
        """Return the limit that all connections of one server share."""
        return _LIMITS.setdefault(server, cls(max_connections()))

    def admit(self, connection: Closable) -> None:
        """Take in a new connection, at the cost of the oldest idle one where there is no room."""
        self._idle[connection] = None
        if len(self._idle) + len(self._busy) > self._most:
            oldest = next(iter(self._idle))
            self.forget(oldest)
            oldest.close()

    def note_busy(self, connection: Closable) -> None:
        """Keep a connection while its request is answered."""
        if connection in self._idle:
            del self._idle[connection]
            self._busy.add(connection)

    def note_idle(self, connection: Closable) -> None:
        """Let a connection be closed again."""
        if connection in self._busy:
            self._busy.discard(connection)
            self._idle[connection] = None

    def forget(self, connection: Closable) -> None:
        """Count a connection no longer."""
        self._idle.pop(connection, None)
        self._busy.discard(connection)


_LIMITS: WeakKeyDictionary[ServerState, ConnectionLimit] = WeakKeyDictionary()


def max_connections() -> int:
    """Return how many connections the process may hold, from its limit of descriptors."""
    try:
        import resource  # noqa: PLC0415 - Windows has none
    except ImportError:
        return MAX_CONNECTIONS
    descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if descriptors == resource.RLIM_INFINITY:
        return MAX_CONNECTIONS
    return min(MAX_CONNECTIONS, max(descriptors // 2, descriptors - RESERVED))
