"""Real servers on ports of loopback, each a process that a test may kill or stop."""

import signal
import subprocess
from collections import defaultdict
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from redis import Redis
from redis.exceptions import RedisError

from service.cli.demo.stack import free_port
from service.processes import embedded_server
from tests.pending import at_once
from tests.waiting import wait_for

LASTING = {
    "appendonly": "yes",
    "appendfsync": "always",
    "maxmemory-policy": "noeviction",
    "repl-diskless-sync-delay": 0,  # seconds that a primary waits for more replicas
    "repl-backlog-size": "256mb",
}
"""What docs/redis.md asks of a server, and a replica that follows at once."""


@dataclass
class ServerProcess:
    """One server. `bus_port` is that of a cluster's servers among themselves."""

    port: int
    bus_port: int
    words: list[str]
    process: "subprocess.Popen[bytes]"
    redis: "Redis" = field(repr=False)

    def ask(self, *command: Any) -> Any:
        """Return the answer to a command of several words."""
        answer = self.redis.execute_command(*command)  # type: ignore[no-untyped-call]
        return answer.decode() if isinstance(answer, bytes) else answer

    def answers(self) -> bool:
        """Whether it is up."""
        with suppress(RedisError, OSError):
            return bool(self.redis.ping())
        return False

    def is_primary(self) -> bool:
        """Whether it says that it is one."""
        with suppress(RedisError, OSError):
            return str(self.replication()["role"]) == "master"
        return False

    def follows(self, port: int) -> bool:
        """Whether it is a replica of the server on that port, and has all its data."""
        with suppress(RedisError, OSError):
            found = self.replication()
            return [found[each] for each in ("role", "master_port", "master_link_status")] == ["slave", port, "up"]
        return False

    def has_level_replicas(self, number: int = 1) -> bool:
        """Whether so many replicas have all that it wrote."""
        found = self.replication()
        replicas = [found[f"slave{each}"] for each in range(found["connected_slaves"])]
        return len([each for each in replicas if each["offset"] == found["master_repl_offset"]]) >= number

    def replication(self) -> defaultdict[str, Any]:
        """Return what it says of its role. What it does not say is None."""
        return defaultdict(lambda: None, at_once(self.redis.info("replication")))

    def stop(self) -> None:
        """Let it hang, as a machine without answers."""
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Let it run again."""
        self.process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """End it without a word."""
        self.process.kill()
        self.process.wait()

    def start_again(self) -> None:
        """Start it on the same port and data, after it was killed."""
        self.process = _run(self.words)
        wait_for(self.answers)

    def close(self) -> None:
        """End it, whatever a test did to it."""
        self.redis.close()
        with suppress(ProcessLookupError):
            self.go_on()
        self.kill()


def start_server(
    folder: Path, client: Mapping[str, Any] | None = None, *, is_sentinel: bool = False, **options: Any
) -> ServerProcess:
    """Start a server with these options, in whose names `_` stands for `-`. Take other ports where one is taken.

    A list is one option several times. `client` are options of the client that asks it.
    """
    folder.mkdir(parents=True)
    while True:
        server = _launch(folder, options, client or {}, is_sentinel=is_sentinel)
        wait_for(lambda: server.answers() or server.process.poll() is not None)
        if server.process.poll() is None:
            return server


def _launch(folder: Path, options: dict[str, Any], client: Mapping[str, Any], *, is_sentinel: bool) -> ServerProcess:
    port, bus_port = free_port(), free_port()
    given = {"port": port, "dir": folder, **({} if is_sentinel else LASTING), **options}
    if given.get("cluster_enabled"):
        given["cluster_port"] = bus_port
    file = folder / "server.conf"
    file.write_text(
        "".join(f"{name.replace('_', '-')} {each}\n" for name, value in given.items() for each in _all(value))
    )
    words = [str(embedded_server.find_server()), str(file), *(["--sentinel"] if is_sentinel else [])]
    return ServerProcess(port, bus_port, words, _run(words), Redis(port=port, socket_timeout=2, **client))


def _all(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _run(words: list[str]) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(words, stdout=subprocess.DEVNULL)
