"""How many connections a server holds open: fewer than the process has descriptors, so that none locks others out."""

from enum import Enum
from typing import Protocol
from weakref import WeakKeyDictionary

from uvicorn.server import ServerState

RESERVED = 128
"""Descriptors for Redis, logs and files, and for connections that are taken in at once before any is counted."""
MAX_CONNECTIONS = 2000
"""Each may hold 64 KiB of a head: 128 MB in all."""


class Waiting(Enum):
    """The thing that a connection waits for."""

    FOR_CLIENT = "client"
    """To send a request or its body, or to read an answer. The longest waiting one makes room for others."""
    FOR_US = "us"
    """A request is answered: such a connection is never ended."""


class Evictable(Protocol):
    """A connection."""

    def evict(self) -> None:
        """End it at once, and free its descriptor."""


class ConnectionLimit:
    """Ends the connection that has waited longest for its client, where there are too many."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._busy: set[Evictable] = set()
        self._waiting: dict[Evictable, None] = {}
        """In the order in which they began to wait for their clients.

        Whether for a request or a body makes no difference: else half-sent bodies would push out those that just came.
        """

    @classmethod
    def of(cls, server: ServerState) -> "ConnectionLimit":
        """Return the limit that all connections of one server share."""
        return _LIMITS.setdefault(server, cls(max_connections()))

    def admit(self, connection: Evictable) -> None:
        """Take in a new connection, at the cost of the one that has waited longest where there is no room."""
        self._waiting[connection] = None
        if len(self._waiting) + len(self._busy) > self._most:
            longest = next(iter(self._waiting))
            self.forget(longest)
            longest.evict()

    def note(self, connection: Evictable, kind: Waiting) -> None:
        """Note what a connection waits for from now on."""
        if kind is Waiting.FOR_US and connection in self._waiting:
            del self._waiting[connection]
            self._busy.add(connection)
        elif kind is Waiting.FOR_CLIENT and connection in self._busy:
            self._busy.discard(connection)
            self._waiting[connection] = None

    def forget(self, connection: Evictable) -> None:
        """Count a connection no longer."""
        self._waiting.pop(connection, None)
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
