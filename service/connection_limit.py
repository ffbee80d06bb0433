"""How many connections a server holds open: fewer than the process has descriptors, so that none locks others out."""

from enum import IntEnum
from typing import Protocol
from weakref import WeakKeyDictionary

from uvicorn.server import ServerState

RESERVED = 128
"""Descriptors for Redis, logs and files, and for connections that are taken in at once before any is counted."""
MAX_CONNECTIONS = 2000
"""Each may hold 64 KiB of a head: 128 MB in all."""


class Waiting(IntEnum):
    """What a connection waits for; where there are too many, the first kind goes first."""

    FOR_REQUEST = 0
    FOR_CLIENT = 1
    """The client sends a body or reads an answer."""
    FOR_US = 2
    """A request is answered: such a connection is never ended."""


class Evictable(Protocol):
    """A connection."""

    def evict(self) -> None:
        """End it at once, and free its descriptor."""


class ConnectionLimit:
    """Ends the connection that has waited longest for its client, where there are too many."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._waiting: tuple[dict[Evictable, None], ...] = ({}, {}, {})
        """By kind, in the order in which they began to wait."""
        self._kinds: dict[Evictable, Waiting] = {}

    @classmethod
    def of(cls, server: ServerState) -> "ConnectionLimit":
        """Return the limit that all connections of one server share."""
        return _LIMITS.setdefault(server, cls(max_connections()))

    def admit(self, connection: Evictable) -> None:
        """Take in a new connection, at the cost of the one that has waited longest where there is no room."""
        self._put(connection, Waiting.FOR_REQUEST)
        if len(self._kinds) <= self._most:
            return
        others = (each for kind in (0, 1) for each in self._waiting[kind] if each is not connection)
        evicted = next(others, connection)
        self.forget(evicted)
        evicted.evict()

    def note(self, connection: Evictable, kind: Waiting) -> None:
        """Note what a connection waits for from now on."""
        if self._kinds.get(connection, kind) is not kind:  # one that was forgotten stays so
            self.forget(connection)
            self._put(connection, kind)

    def forget(self, connection: Evictable) -> None:
        """Count a connection no longer."""
        kind = self._kinds.pop(connection, None)
        if kind is not None:
            del self._waiting[kind][connection]

    def _put(self, connection: Evictable, kind: Waiting) -> None:
        self._kinds[connection] = kind
        self._waiting[kind][connection] = None


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
