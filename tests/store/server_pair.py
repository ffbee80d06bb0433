"""A primary with its replica, behind a name that can be moved from one to the other."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from redis import Redis

from service.cli.demo.stack import free_port
from service.processes import embedded_server
from tests.waiting import wait_for


@dataclass
class Name:
    """A name, as DNS has it: whoever connects anew is led to where it points now; connections that are open stay."""

    target: Path
    listener: socket.socket = field(default_factory=lambda: socket.create_server(("127.0.0.1", 0)))
    connections: int = 0

    @property
    def port(self) -> int:
        port: int = self.listener.getsockname()[1]
        return port

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    @contextlib.contextmanager
    def served(self) -> Iterator[None]:
        """Lead clients until the block ends."""
        thread = threading.Thread(target=self._serve, daemon=True)
        thread.start()
        yield
        self.listener.shutdown(socket.SHUT_RDWR)
        thread.join()
        self.listener.close()

    def _serve(self) -> None:
        pipes = []
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                self.connections += 1
                try:
                    pipes.append(_Pipe(client, self.target))
                except OSError:
                    # A server that was killed refuses, and the name goes on.
                    client.close()
        for each in pipes:
            each.end()


class _Pipe:
    """One connection from a client to a server."""

    def __init__(self, client: socket.socket, target: Path) -> None:
        server = socket.socket(socket.AF_UNIX)
        try:
            server.connect(str(target))
        except OSError:
            server.close()
            raise
        self._ends = client, server
        self._threads = [
            threading.Thread(target=_copy, args=ends, daemon=True) for ends in ((client, server), (server, client))
        ]
        for each in self._threads:
            each.start()

    def end(self) -> None:
        for end in self._ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        for end in self._ends:
            end.close()


def _copy(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65_536):
            sink.sendall(data)
    for each in (source, sink):
        with contextlib.suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)


@dataclass
class Pair:
    """A primary and its replica, and the name of the primary."""

    name: Name
    primary: embedded_server.EmbeddedServer
    replica: embedded_server.EmbeddedServer
    primary_redis: "Redis"
    replica_redis: "Redis"
    primary_port: int
    replica_port: int

    def demote(self) -> None:
        """The primary becomes a replica of its replica; its connections stay, and the name still points to it."""
        self.replica_redis.replicaof("NO", "ONE")
        self.primary_redis.replicaof("127.0.0.1", self.replica_port)

    def move_name(self) -> None:
        """From now on the name points to the new primary."""
        self.name.target = self.replica.folder.socket


@contextlib.contextmanager
def opened_pair(tmp_path: Path) -> Iterator[Pair]:
    """A primary with a replica that is in step, until the block ends."""
    with ExitStack() as stack:
        primary, replica = (stack.enter_context(embedded_server.start(tmp_path / each)) for each in ("one", "two"))
        redis_of = [stack.enter_context(Redis.from_url(each.url)) for each in (primary, replica)]
        ports = [free_port(), free_port()]
        for redis, port in zip(redis_of, ports, strict=True):
            redis.config_set("port", port)
            redis.config_set("repl-diskless-sync-delay", 0)  # seconds that a primary waits for more replicas
        name = Name(primary.folder.socket)
        stack.enter_context(name.served())
        redis_of[1].replicaof("127.0.0.1", ports[0])
        wait_for(lambda: redis_of[1].info("replication")["master_link_status"] == "up")
        # A server that writes its first file refuses to stop.
        wait_for(lambda: not redis_of[1].info("persistence")["aof_rewrite_in_progress"])
        yield Pair(name, primary, replica, redis_of[0], redis_of[1], ports[0], ports[1])
