"""Links: what lies between a process and its servers, and knows the process that it may have to kill."""

import asyncio
import os
import signal
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from tests.chaos.crash_points import Watch

CHUNK = 1 << 20
STARTED_WITHIN = 30.0
"""Seconds that a start may take to tell the number of its process."""


@dataclass(frozen=True)
class Ends:
    """The two sides of one connection."""

    from_client: asyncio.StreamReader
    client: asyncio.StreamWriter
    from_server: asyncio.StreamReader
    server: asyncio.StreamWriter

    def close(self) -> None:
        """Cut both sides off, as the end of a process does."""
        for side in (self.client, self.server):
            side.close()


@dataclass
class Victim:
    """The process behind a link. There is a new one after each kill."""

    pid: int = 0
    killed: int = 0
    """The one that was killed last."""
    known: threading.Event = field(default_factory=threading.Event)
    """Set while no start is under way, so that `pid` is that of the process."""

    def __post_init__(self) -> None:
        self.known.set()

    def kill(self) -> None:
        """Kill it with -9."""
        # It may ask before its start has told its number.
        self.known.wait(STARTED_WITHIN)
        # Forgotten before, since the test's thread takes an end of what it knows for a fault.
        self.pid, self.killed = 0, self.pid
        if self.killed:
            with suppress(ProcessLookupError):
                os.kill(self.killed, signal.SIGKILL)

    def is_gone(self) -> bool:
        """Return whether the killed process has given back its port and its connections."""
        return not Path(f"/proc/{self.killed}").exists()


@dataclass(frozen=True)
class Link:
    """A link of a role's process to one server."""

    role: str
    upstream: "str | tuple[str, int]"
    victim: Victim
    watch: Watch

    async def serve(self, ends: Ends) -> None:
        """Pass on what comes, until one side closes."""
        raise NotImplementedError

    def kill(self, ends: Ends) -> None:
        """Kill the process. What it has not sent yet is lost.

        The test's thread starts it again once the watch knows, so that comes last.
        """
        self.victim.kill()
        ends.close()
        self.watch.gone.add(self.role)

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Connect to the server, and serve."""
        try:
            upstream = await _connect(self.upstream)
        except OSError:
            return
        ends = Ends(reader, writer, *upstream)
        try:
            await self.serve(ends)
        finally:
            ends.close()


class Taking(Protocol):
    """Takes what came from one side."""

    def __call__(self, data: bytes, /) -> Awaitable[None]: ...


async def pump(ends: Ends, from_client: Taking, from_server: Taking) -> None:
    """Take what comes from both sides, until one of them closes."""
    sides = [
        asyncio.create_task(_take_all(ends.from_client, from_client, ends)),
        asyncio.create_task(_take_all(ends.from_server, from_server, ends)),
    ]
    try:
        await asyncio.wait(sides, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for each in sides:
            each.cancel()
        await asyncio.gather(*sides, return_exceptions=True)


@asynccontextmanager
async def listening(link: Link) -> AsyncIterator[int]:
    """Serve a link on a port of its own, until the block ends."""
    tasks: set[asyncio.Task[None]] = set()

    def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(task := asyncio.create_task(link.take(reader, writer)))
        task.add_done_callback(tasks.discard)
        # Also where it is cancelled before it has begun.
        task.add_done_callback(lambda _: writer.close())

    server = await asyncio.start_server(take, "127.0.0.1", 0, limit=CHUNK)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for each in tasks:
            each.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _take_all(reader: asyncio.StreamReader, take: Callable[[bytes], Awaitable[None]], ends: Ends) -> None:
    with suppress(OSError):
        while data := await reader.read(CHUNK):
            await take(data)
            if ends.client.is_closing():
                return


async def _connect(upstream: "str | tuple[str, int]") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    if isinstance(upstream, str):
        return await asyncio.open_unix_connection(upstream, limit=CHUNK)
    return await asyncio.open_connection(*upstream, limit=CHUNK)
