"""The connections of a worker to Telnyx: reused by many requests at once, given back after errors, closed when idle."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx
import pytest

from service.outbound import sender
from service.outbound.client import one_connection
from service.outbound.sender import KeptConnections


@dataclass
class Server:
    """A server that answers once `at_once` requests are there, and counts its connections."""

    at_once: int = 1
    opened: int = 0
    closed: int = 0
    waiting: list[asyncio.Event] = field(default_factory=list)
    tasks: list[asyncio.Task[None]] = field(default_factory=list)
    url: str = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.opened += 1
        self.tasks.append(asyncio.create_task(self.answer(reader, writer)))
        try:
            await asyncio.wait(self.tasks[-1:])
        finally:
            self.closed += 1
            writer.close()

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.read(65_536):
            self.waiting.append(turn := asyncio.Event())
            if len(self.waiting) >= self.at_once:
                for each in self.waiting:
                    each.set()
                self.waiting.clear()
            await turn.wait()
            if b"/broken" in head:
                break
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")


@asynccontextmanager
async def serving() -> AsyncIterator[Server]:
    server = Server()
    async with await asyncio.start_server(server.serve, "127.0.0.1", 0) as listening:
        server.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
        yield server
        for task in server.tasks:
            task.cancel()
        await asyncio.gather(*server.tasks, return_exceptions=True)
        while server.closed < server.opened:  # noqa: ASYNC110 - of other tasks
            await asyncio.sleep(0.001)


def client(most: int) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=KeptConnections(one_connection, most=most), timeout=20)


async def get(http: httpx.AsyncClient, server: Server, *, times: int) -> None:
    server.at_once = times
    for answer in await asyncio.gather(*(http.get(server.url) for _ in range(times))):
        assert answer.text == "ok"


def test_connections_are_reused_however_many_there_are() -> None:
    async def use() -> None:
        async with serving() as server, client(most=40) as http:
            for times in (1, 1, 40, 40, 3):
                await get(http, server, times=times)
            assert server.opened == 40

    asyncio.run(use())


def test_more_requests_than_connections_wait_for_their_turn() -> None:
    async def use() -> None:
        async with serving() as server, client(most=2) as http:
            answers = await asyncio.gather(*(http.get(server.url) for _ in range(9)))
            assert ([each.text for each in answers], server.opened) == (["ok"] * 9, 2)

    asyncio.run(use())


def test_errors_and_cancellations_give_their_connections_back() -> None:
    async def use() -> None:
        async with serving() as server, client(most=1) as http:
            for _ in range(3):
                with pytest.raises(httpx.RemoteProtocolError):
                    await http.get(f"{server.url}/broken")
            server.at_once = 2
            cut_off = asyncio.create_task(http.get(server.url))
            while not server.waiting:  # noqa: ASYNC110 - of another task
                await asyncio.sleep(0)
            cut_off.cancel()
            await asyncio.wait([cut_off])
            server.waiting.clear()
            await get(http, server, times=1)

    asyncio.run(use())


def test_unused_connections_are_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    async def use() -> None:
        async with serving() as server, client(most=10) as http:
            await get(http, server, times=10)
            monkeypatch.setattr(sender, "KEEP", -1.0)
            for _ in range(9):
                await get(http, server, times=1)
            while server.closed < 9:  # noqa: ASYNC110 - of other tasks
                await asyncio.sleep(0.001)
            assert server.opened == 10

    asyncio.run(use())


def test_only_the_connection_that_was_unused_longest_is_closed_for_its_age() -> None:
    class Transport(httpx.AsyncBaseTransport):
        closed = False

        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            return httpx.Response(200)

        async def aclose(self) -> None:
            self.closed = True

    async def run() -> list[bool]:
        kept = KeptConnections(Transport, most=9)
        now, opened = time.monotonic(), [Transport() for _ in range(3)]
        ages = (sender.KEEP + 60, sender.KEEP + 30, 0)
        kept._idle.extend((now - age, each) for age, each in zip(ages, opened, strict=True))
        kept._all.update(opened)
        answer = await kept.handle_async_request(httpx.Request("GET", "https://a.example"))
        await answer.aclose()
        assert opened[0] not in kept._all
        return [each.closed for each in opened]

    assert asyncio.run(run()) == [True, False, False]
