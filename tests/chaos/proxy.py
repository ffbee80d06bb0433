"""A TCP proxy whose connections can be cut, stalled and refused."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import uvloop

Target = Path | tuple[str, int]
"""A Unix socket, or a host and a port."""
CHUNK = 65_536


@dataclass
class Proxy:
    """One way between a process and what it talks to. Its methods may be called from any thread."""

    target: Target
    port: int = 0
    _loop: asyncio.AbstractEventLoop = field(default_factory=uvloop.new_event_loop)
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)
    _flowing: asyncio.Event = field(default_factory=asyncio.Event)
    _refuses: bool = False

    def cut(self) -> None:
        """Close every connection that is open."""
        self._do(self._close_all)

    def stall(self) -> None:
        """Let no byte pass, in either direction."""
        self._do(self._flowing.clear)

    def refuse(self) -> None:
        """Close every connection, and every new one at once."""
        self._refuses = True
        self.cut()

    def mend(self) -> None:
        """Let everything pass again."""
        self._refuses = False
        self._do(self._flowing.set)

    def _do(self, work: Callable[[], None]) -> None:
        self._loop.call_soon_threadsafe(work)

    def _close_all(self) -> None:
        for each in self._writers:
            each.transport.abort()

    async def serve(self, client: asyncio.StreamReader, answer: asyncio.StreamWriter) -> None:
        """Lead one connection to the target until either end closes it."""
        self._writers.add(answer)
        try:
            if not self._refuses:
                await self._lead(client, answer)
        except asyncio.CancelledError:
            # The end of the run. asyncio's server reports a cancelled connection as an error.
            return
        finally:
            self._writers.discard(answer)
            answer.transport.abort()

    async def _lead(self, client: asyncio.StreamReader, answer: asyncio.StreamWriter) -> None:
        try:
            server, request = await _open(self.target)
        except OSError:
            return
        self._writers.add(request)
        try:
            ways = [asyncio.ensure_future(self._copy(*each)) for each in ((client, request), (server, answer))]
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            for each in ways:
                each.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
        finally:
            self._writers.discard(request)
            request.transport.abort()

    async def _copy(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await source.read(CHUNK):
                await self._flowing.wait()
                sink.write(data)
                await sink.drain()


async def _open(target: Target) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    if isinstance(target, Path):
        return await asyncio.open_unix_connection(target)
    return await asyncio.open_connection(*target)


@contextmanager
def open_proxy(target: Target) -> Iterator[Proxy]:
    """Serve a proxy in a thread of its own until the block ends."""
    proxy = Proxy(target)
    loop = proxy._loop
    proxy._flowing.set()
    server = loop.run_until_complete(asyncio.start_server(proxy.serve, "127.0.0.1", 0))
    proxy.port = server.sockets[0].getsockname()[1]
    thread = threading.Thread(target=loop.run_forever, name="proxy", daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        asyncio.run_coroutine_threadsafe(_end(server), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _end(server: asyncio.Server) -> None:
    server.close()
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for each in others:
        each.cancel()
    await asyncio.gather(*others, return_exceptions=True)
