"""The Redis of a measurement: Ringback's embedded server program, reached over TCP as every peer reaches it."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Any, Literal

from redis import Redis

from benchmarks.machine import LOAD_CORE, cpu_seconds
from benchmarks.processes import await_port, clean_environment, free_port, running
from service.processes.embedded_server import ALLOCATOR, TUNABLES, find_server

Fsync = Literal["always", "everysec"]


@dataclass(frozen=True)
class RedisServer:
    """A running server."""

    port: int
    pid: int

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"redis://127.0.0.1:{self.port}/0"

    def client(self) -> "Redis":
        """Return a client."""
        return Redis(host="127.0.0.1", port=self.port)

    def cpu(self) -> float:
        """Return the seconds that the server has run."""
        return cpu_seconds(self.pid)

    def used_memory(self) -> int:
        """Return the bytes that the server's data use."""
        with self.client() as redis:
            told: Any = redis.info("memory")
        return int(told["used_memory"])


@contextmanager
def redis_server(folder: Path, *, fsync: Fsync = "always", core: int | None = LOAD_CORE) -> Iterator[RedisServer]:
    """Run a server that writes every command to disk until the block ends."""
    port = free_port()
    data = folder / f"redis-{port}"
    data.mkdir()
    flags = {
        "--port": str(port),
        "--bind": "127.0.0.1",
        "--dir": str(data),
        "--appendonly": "yes",
        "--appendfsync": fsync,
        # A rewrite in the middle of a turn would be measured with it.
        "--auto-aof-rewrite-percentage": "0",
        "--save": "",
        "--maxmemory-policy": "noeviction",
    }
    command = [str(find_server()), *(word for flag in flags.items() for word in flag)]
    with running(command, folder, data.name, clean_environment({TUNABLES: ALLOCATOR}), core=core) as process:
        await_port(port, process, folder / f"{data.name}.log")
        yield RedisServer(port, process.pid)


@dataclass(frozen=True)
class Command:
    """One command that the server ran: when (seconds since 1970), its words and client, and if a script ran it."""

    at: float
    words: str
    client: str
    in_script: bool


@contextmanager
def monitored(server: RedisServer) -> Iterator[list[Command]]:
    """Note every command until the block ends. The list is whole then."""
    noted: list[Command] = []
    mark = f"end of the measurement {time.monotonic()}"
    with server.client() as redis, redis.monitor() as monitor:

        def listen() -> None:
            for each in monitor.listen():
                if mark in each["command"]:
                    return
                client = f"{each['client_address']}:{each['client_port']}"
                noted.append(Command(each["time"], each["command"], client, each["client_type"] == "lua"))

        thread = Thread(target=listen, daemon=True)
        thread.start()
        try:
            yield noted
        finally:
            # MONITOR keeps the order: all that was run before this is noted first.
            with server.client() as other:
                other.echo(mark)
            thread.join()
