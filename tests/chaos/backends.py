"""What stands in for Redis in a chaos run: one server behind proxies, three with sentinels, or a cluster."""

import os
import resource
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from redis import Redis
from redis.exceptions import RedisError

from tests.chaos.proxy import Proxy, open_proxy
from tests.processes.fleet import NAMESPACE, Fleet
from tests.store.cluster import Cluster, open_cluster
from tests.store.sentinels import Trio, open_trio
from tests.store.server_process import ServerProcess
from tests.waiting import wait_for

ROOM = 64 * 1024
"""Bytes that a full disk still takes: some writes succeed, and one ends half-way."""


class Backend(Protocol):
    """How processes reach Redis, and what can be done to it."""

    namespace: str
    replicas: int

    def address(self, stack: ExitStack) -> tuple[str, Proxy | None]:
        """Return the `REDIS_URL` of one more process, and the proxy on the way."""

    def url(self) -> str:
        """Return where this run itself asks."""

    def strike(self, kind: str) -> None:
        """Begin a fault of the server, once the one before has ended."""

    def mend(self) -> None:
        """End the fault, if there is one."""


@dataclass
class OneServer:
    """One server with every write on disk. Each process has a proxy of its own."""

    fleet: Fleet
    namespace: str = NAMESPACE
    replicas: int = 0
    _struck: str | None = None

    def address(self, stack: ExitStack) -> tuple[str, Proxy | None]:
        proxy = stack.enter_context(open_proxy(self.fleet.server.folder.socket))
        return f"redis://127.0.0.1:{proxy.port}/0", proxy

    def url(self) -> str:
        return self.fleet.server.url

    def strike(self, kind: str) -> None:
        # One fault of the server at a time: a stopped one hears no command, and a dead one cannot be limited.
        self.mend()
        self._struck, pid = kind, self.fleet.server.process.pid
        if kind == "kill server":
            os.kill(pid, signal.SIGKILL)
        elif kind == "stop server":
            os.kill(pid, signal.SIGSTOP)
        elif kind == "full disk":
            size = max(each.stat().st_size for each in self.fleet.server.folder.data.rglob("*.aof"))
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (size + ROOM, resource.RLIM_INFINITY))
        elif kind == "full memory":
            self._limit_memory(1)

    def mend(self) -> None:
        struck, self._struck, process = self._struck, None, self.fleet.server.process
        if struck == "stop server":
            os.kill(process.pid, signal.SIGCONT)
        elif struck == "full memory":
            self._limit_memory(0)
        elif struck == "full disk" and process.poll() is None:
            # Too little was written. The server would end later.
            resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        if process.poll() is not None or struck == "kill server":
            self.fleet.restart_server()

    def _limit_memory(self, size: int) -> None:
        with Redis.from_url(self.url(), socket_timeout=30) as redis:
            redis.config_set("maxmemory", size)


@dataclass
class Replicated:
    """Servers with replicas, of which one is the primary for every key of the run."""

    servers: Trio | Cluster
    namespace: str
    replicas: int
    """Those that can become primary, as docs/redis.md asks."""
    _lost: tuple[ServerProcess, str] | None = None

    def address(self, stack: ExitStack) -> tuple[str, Proxy | None]:
        del stack
        return self.servers.url, None

    def url(self) -> str:
        is_cluster = isinstance(self.servers, Cluster)
        return f"{self.servers.url}#{self.namespace}" if is_cluster else self.servers.url

    def primary(self) -> ServerProcess:
        """Return the primary, once all agree on one."""
        return wait_for(self._known_primary)

    def _known_primary(self) -> ServerProcess | None:
        with suppress(RedisError, AssertionError, StopIteration):
            return self.servers.owner() if isinstance(self.servers, Cluster) else self.servers.primary()
        return None

    def strike(self, kind: str) -> None:
        # No further server is lost while one is missing: a deployment with one left takes no writes.
        self.mend()
        old = self.primary()
        if kind == "drop connections":
            old.ask("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
            return
        self._lost = old, kind
        (old.kill if kind == "kill primary" else old.stop)()

    def mend(self) -> None:
        if self._lost is not None:
            old, kind = self._lost
            self.servers.wait_for_another(old)
            (old.start_again if kind == "kill primary" else old.go_on)()
            self.servers.wait_until_whole()
            self._lost = None


@contextmanager
def open_backend(kind: str, folder: Path, fleet: Fleet) -> Iterator[Backend]:
    """Run the servers until the block ends."""
    if kind == "sentinel":
        with open_trio(folder / "trio") as trio:
            yield Replicated(trio, NAMESPACE, replicas=len(trio.servers) - 1)
    elif kind == "cluster":
        with open_cluster(folder / "cluster") as cluster:
            yield Replicated(cluster, cluster.namespace, replicas=1)
    else:
        yield OneServer(fleet)
