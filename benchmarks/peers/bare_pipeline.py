"""The limit of a pickup: the receiver pushes an event's id onto a list, and the worker pops it.

Neither verifies, parses or keeps anything. So their time is that of the sockets, the processes and the disk.
`python -m benchmarks.peers.bare_pipeline receiver` runs the one, `… worker` the other.
"""

import asyncio
import os
import sys
from typing import Any, cast

import uvloop
from redis import Redis

from benchmarks.handled import recorder

QUEUE = "bare"
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 21\r\n\r\n" + b'{"status":"accepted"}'


class _Webhook(asyncio.Protocol):
    """A connection to the receiver. Each request comes as a whole, and waits for Redis on a connection of its own."""

    transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        # The first id of a body is its event's.
        pushes.push(data.split(b'"id":"', 1)[1].split(b'"', 1)[0], self.transport)


class _Pushes(asyncio.Protocol):
    """The connection to Redis, whose answers come in the order of the requests."""

    transport: asyncio.Transport

    def __init__(self) -> None:
        self.waiting: list[asyncio.Transport] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def push(self, event_id: bytes, client: asyncio.Transport) -> None:
        """Push an id, and answer the client once that is on disk."""
        self.waiting.append(client)
        self.transport.write(b"RPUSH %s %s\r\n" % (QUEUE.encode(), event_id))

    def data_received(self, data: bytes) -> None:
        for _ in range(data.count(b"\n")):
            self.waiting.pop(0).write(ANSWER)


pushes = _Pushes()


async def _receive() -> None:
    loop, url = asyncio.get_running_loop(), os.environ["REDIS_URL"]
    await loop.create_connection(lambda: pushes, "127.0.0.1", int(url.rsplit(":", 1)[1].split("/")[0]))
    server = await loop.create_server(_Webhook, "127.0.0.1", int(os.environ["BENCH_PORT"]))
    await server.serve_forever()


def _work() -> None:
    note = recorder()
    with Redis.from_url(os.environ["REDIS_URL"]) as redis:
        while True:
            popped: Any = redis.blpop([QUEUE])
            note(popped[1].decode())


if __name__ == "__main__":
    if sys.argv[1] == "receiver":
        uvloop.run(_receive())
    else:
        _work()
