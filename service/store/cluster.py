"""A cluster of Redis servers: all keys of a deployment lie in one slot, by the braces in their names.

Each new connection asks which server owns that slot, as a connection through sentinels asks for the primary.
"""

import asyncio
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import redis.asyncio.connection as awaited
import redis.connection as blocking
from redis import Redis as BlockingRedis
from redis.crc import key_slot
from redis.exceptions import ConnectionError, RedisError

from service.processes.redis_url import Address, RedisTarget

if TYPE_CHECKING:
    _Awaited = awaited.Connection
    _Blocking = blocking.Connection
else:
    _Awaited = _Blocking = object

ASK_SECONDS = 0.5
"""Seconds that a server may take to say who owns the slot. Then the next one is asked."""


@dataclass
class SlotOwner:
    """The way to the server that owns a deployment's slot. `options` are those of a connection.

    It remembers the servers that it learned of. So it finds the owner as long as one of them answers.
    """

    target: RedisTarget
    namespace: str
    options: Mapping[str, Any] = field(repr=False)
    _servers: list[Address] = field(default_factory=list)
    _asking: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def __str__(self) -> str:
        return str(self.target)

    def find(self) -> Address:
        """Return the address of the owner.

        Raises:
            redis.exceptions.ConnectionError: no server that is known says who it is.
        """
        # One at a time: a server that does not answer holds up the first caller alone, who puts it last.
        with self._asking:
            self._servers = self._servers or list(self.target.addresses)
            trouble: Exception | None = None
            for server in list(self._servers):
                try:
                    slots = self._ask(server)
                except (RedisError, OSError) as error:
                    trouble = error
                    self._servers.remove(server)
                    self._servers.append(server)
                    continue
                if owner := self._learn(server, slots):
                    return owner
            raise ConnectionError("no server of the cluster owns the slot") from trouble

    def _ask(self, server: Address) -> Any:
        host, port = server
        with BlockingRedis(host=host, port=port, **self.options) as redis:
            return redis.execute_command("CLUSTER SLOTS")

    def _learn(self, asked: Address, slots: Any) -> Address | None:
        """Remember all servers of an answer. Return the owner."""
        wanted, owner = key_slot(self.namespace.encode()), None
        for first, last, *servers in slots:
            addresses = list(_addresses(asked, servers))
            self._servers += [each for each in addresses if each not in self._servers]
            if first <= wanted <= last and addresses:
                owner = addresses[0]
        return owner


def _addresses(asked: Address, servers: Sequence[Any]) -> Iterator[Address]:
    """Yield the addresses of servers. One without a name is at the host that was asked, and `?` is unknown."""
    for name, port, *_ in servers:
        host = (name or b"").decode()
        if host != "?":
            yield host or asked[0], int(port)


class OwnerConnection(_Awaited):
    """A connection to the owner of the slot."""

    def __init__(self, *, owner: SlotOwner, **options: Any) -> None:
        self._owner = owner
        super().__init__(**options)

    async def connect(self) -> None:
        """Ask who owns the slot, and connect."""
        if not self.is_connected:
            self.host, self.port = await asyncio.to_thread(self._owner.find)
        await super().connect()  # type: ignore[no-untyped-call]


class BlockingOwnerConnection(_Blocking):
    """The same for a thread."""

    def __init__(self, *, owner: SlotOwner, **options: Any) -> None:
        self._owner = owner
        super().__init__(**options)  # type: ignore[no-untyped-call]

    def connect(self) -> None:
        """Ask who owns the slot, and connect."""
        if not self._sock:
            self.host, self.port = self._owner.find()
        super().connect()  # type: ignore[no-untyped-call]
