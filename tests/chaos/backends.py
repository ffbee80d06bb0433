"""What stands in for Redis in a chaos run: one server behind proxies, three with sentinels, or a cluster."""

import os
import resource
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from redis import Redis
from redis.exceptions import RedisError

from tests.chaos.proxy import Proxy, open_proxy
from tests.processes.fleet import NAMESPACE, Fleet
from tests.store.cluster import Cluster, open_cluster
from tests.store.sentinels import Trio, open_trio
from tests.store.server_process import ServerProcess

ROOM = 64 * 1024
"""Bytes that a full disk still takes: some writes succeed, and one ends half-way."""


class Backend(Protocol):
    """How processes reach Redis, and what can be done to it. `lasts` says which faults need an end."""

    namespace: str
    replicas: int

    def address(self, stack: ExitStack) -> tuple[str, Proxy | None]:
        """Return the `REDIS_URL` of one more process, and the proxy on the way."""

    def url(self) -> str:
        """Return where this run itself asks."""

    def strike(self, kind: str) -> None:
        """Begin a fault of the server."""

    def mend(self, kind: str) -> None:
        """End it."""


@dataclass
class OneServer:
    """One server with every write on disk. Each process has a proxy of its own."""

    fleet: Fleet
    namespace: str = NAMESPACE
    replicas: int = 0
    proxies: list[Proxy] = field(default_factory=list)

    def address(self, stack: ExitStack) -> tuple[str, Proxy | None]:
        proxy = stack.enter_context(open_proxy(self.fleet.server.folder.socket))
        self.proxies.append(proxy)
        return f"redis://127.0.0.1:{proxy.port}/0", proxy

    def url(self) -> str:
        return self.fleet.server.url

    def strike(self, kind: str) -> None:
        pid = self.fleet.server.process.pid
        if kind == "kill server":
            os.kill(pid, signal.SIGKILL)
        elif kind == "stop server":
            os.kill(pid, signal.SIGSTOP)
        elif kind == "full disk":
            size = max(each.stat().st_size for each in self.fleet.server.folder.data.rglob("*.aof"))
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (size + ROOM, size + ROOM))
        elif kind == "full memory":
            with Redis.from_url(self.url()) as redis:
                redis.config_set("maxmemory", 1)

    def mend(self, kind: str) -> None:
        process = self.fleet.server.process
        if kind == "stop server":
            os.kill(process.pid, signal.SIGCONT)
        elif kind == "full memory":
            with suppress(RedisError), Redis.from_url(self.url()) as redis:
                redis.config_set("maxmemory", 0)
        elif kind == "full disk" and process.poll() is None:
            # Too little was written. What is lifted here would have ended the server later.
            resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        if process.poll() is not None:
            self.fleet.restart_server()


@dataclass
class Replicated:
    """Servers with replicas, of which one is the primary for every key of the run."""

    servers: Trio | Cluster
    namespace: str
    replicas: int = 1
    lost: ServerProcess | None = None

    def address(self, stack: ExitStack) -> tuple[str, Proxy | None]:
        del stack
        return self.servers.url, None

    def url(self) -> str:
        is_cluster = isinstance(self.servers, Cluster)
        return f"{self.servers.url}#{self.namespace}" if is_cluster else self.servers.url

    def primary(self) -> ServerProcess:
        return self.servers.owner() if isinstance(self.servers, Cluster) else self.servers.primary()

    def strike(self, kind: str) -> None:
        old = self.primary()
        if kind == "drop connections":
            old.ask("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
            return
        self.lost = old
        (old.kill if kind == "kill primary" else old.stop)()
        self.servers.wait_for_another(old)

    def mend(self, kind: str) -> None:
        if self.lost is not None:
            (self.lost.start_again if kind == "kill primary" else self.lost.go_on)()
            self.servers.wait_until_whole()
            self.lost = None


@contextmanager
def open_backend(kind: str, folder: Path, fleet: Fleet) -> Iterator[Backend]:
    """Run the servers until the block ends."""
    if kind == "sentinel":
        with open_trio(folder / "trio") as trio:
            yield Replicated(trio, NAMESPACE)
    elif kind == "cluster":
        with open_cluster(folder / "cluster") as cluster:
            yield Replicated(cluster, cluster.namespace)
    else:
        yield OneServer(fleet)
