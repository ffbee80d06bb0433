"""A cluster of real servers: three primaries, each with a replica, on loopback."""

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from redis import Redis
from redis.crc import key_slot
from redis.exceptions import RedisError

from service.cli.demo.stack import free_port
from service.processes import embedded_server
from tests.pending import at_once
from tests.waiting import wait_for

NODE_TIMEOUT = 500
"""Milliseconds without an answer after which the others take a primary for dead."""
SLOTS = 16_384
NAMESPACE = "{fleet}"


@dataclass
class Node:
    """One server."""

    port: int
    bus_port: int
    process: "subprocess.Popen[bytes]"
    redis: "Redis" = field(repr=False)

    @property
    def id(self) -> str:
        """The name that the cluster knows it by."""
        return str(self.ask("CLUSTER MYID"))

    def ask(self, *command: Any) -> Any:
        """Return the answer to a command of several words."""
        answer = self.redis.execute_command(*command)  # type: ignore[no-untyped-call]
        return answer.decode() if isinstance(answer, bytes) else answer

    def keys(self, pattern: str) -> list[bytes]:
        """Return the keys of the deployment that it holds, by a pattern."""
        return list(self.redis.scan_iter(f"{NAMESPACE}:{pattern}"))

    def answers(self) -> bool:
        """Whether it is up."""
        with suppress(RedisError, OSError):
            return bool(self.redis.ping())
        return False

    def is_primary(self) -> bool:
        """Whether it says that it is one."""
        with suppress(RedisError, OSError):
            return bool(at_once(self.redis.info("replication"))["role"] == "master")
        return False


@dataclass
class Cluster:
    """The servers, and what a test does with them."""

    nodes: list[Node]
    namespace: str = NAMESPACE

    @property
    def url(self) -> str:
        """What `REDIS_URL` is set to: two of the servers."""
        return f"redis+cluster://127.0.0.1:{self.nodes[1].port},127.0.0.1:{self.nodes[4].port}"

    @property
    def slot(self) -> int:
        """The slot of all keys of the deployment."""
        return int(key_slot(self.namespace.encode()))

    def owner(self) -> Node:
        """The primary that owns the slot, as a live server knows it."""
        for asked in self.nodes:
            if not asked.is_primary():
                continue
            for line in asked.redis.execute_command("CLUSTER SLOTS"):  # type: ignore[no-untyped-call]
                if line[0] <= self.slot <= line[1]:
                    return next(each for each in self.nodes if each.port == line[2][1])
        raise AssertionError("nobody owns the slot")

    def replica_is_level(self) -> bool:
        """Whether the owner's replica has all that the owner wrote."""
        found = at_once(self.owner().redis.info("replication"))
        return bool(found.get("connected_slaves")) and found["slave0"]["offset"] == found["master_repl_offset"]

    def begin_to_move_slot(self) -> tuple[Node, Node]:
        """Open the slot for its move to another primary. Return both."""
        source = self.owner()
        target = next(each for each in self.nodes if each is not source and each.is_primary())
        target.ask("CLUSTER SETSLOT", self.slot, "IMPORTING", source.id)
        source.ask("CLUSTER SETSLOT", self.slot, "MIGRATING", target.id)
        return source, target

    def move_keys(self, source: Node, target: Node, *, most: int = 1_000_000) -> int:
        """Move up to so many keys of the slot. Return how many."""
        keys = source.ask("CLUSTER GETKEYSINSLOT", self.slot, most)
        if keys:
            source.ask("MIGRATE", "127.0.0.1", target.port, "", 0, 5000, "KEYS", *keys)
        return len(keys)

    def end_move(self, target: Node, source: Node) -> None:
        """Give the slot to its new owner."""
        for each in (target, source, *(each for each in self.nodes if each.is_primary())):
            each.ask("CLUSTER SETSLOT", self.slot, "NODE", target.id)


@contextmanager
def open_cluster(folder: Path) -> Iterator[Cluster]:
    """Run six servers until the block ends."""
    nodes: list[Node] = []
    try:
        nodes.extend(_start(folder / f"node-{number}") for number in range(6))
        _join(nodes)
        yield Cluster(nodes)
    finally:
        for each in nodes:
            each.redis.close()
            with suppress(ProcessLookupError):
                each.process.send_signal(signal.SIGCONT)
            each.process.kill()
            each.process.wait()


def _start(folder: Path) -> Node:
    """Start a server. Where another program took one of its ports meanwhile, take others."""
    folder.mkdir(parents=True)
    while True:
        node = _launch(folder)
        wait_for(lambda: node.answers() or node.process.poll() is not None)
        if node.process.poll() is None:
            return node


def _launch(folder: Path) -> Node:
    port, bus_port = free_port(), free_port()
    options = {
        "port": port,
        "cluster-enabled": "yes",
        "cluster-port": bus_port,
        "cluster-node-timeout": NODE_TIMEOUT,
        "cluster-replica-validity-factor": 0,
        "repl-diskless-sync-delay": 0,
        "dir": folder,
        "appendonly": "yes",
        "appendfsync": "always",
        "maxmemory-policy": "noeviction",
    }
    words = [str(word) for name, value in options.items() for word in (f"--{name}", value)]
    process = subprocess.Popen([str(embedded_server.find_server()), *words], stdout=subprocess.DEVNULL)
    return Node(port, bus_port, process, Redis(port=port, socket_timeout=2))


def _join(nodes: list[Node]) -> None:
    primaries, replicas = nodes[:3], nodes[3:]
    for number, each in enumerate(primaries):
        first, last = number * SLOTS // 3, (number + 1) * SLOTS // 3 - 1
        each.ask("CLUSTER ADDSLOTSRANGE", first, last)
    for each in nodes[1:]:
        nodes[0].ask("CLUSTER MEET", "127.0.0.1", each.port, each.bus_port)
    wait_for(lambda: all(each.ask("CLUSTER INFO")["cluster_known_nodes"] == "6" for each in nodes))
    for primary, replica in zip(primaries, replicas, strict=True):
        wait_for(partial(_knows, replica, primary))
        replica.ask("CLUSTER REPLICATE", primary.id)
    wait_for(lambda: all(each.ask("CLUSTER INFO")["cluster_state"] == "ok" for each in nodes))
    wait_for(lambda: all(at_once(each.redis.info("replication"))["master_link_status"] == "up" for each in replicas))


def _knows(one: Node, other: Node) -> bool:
    return f"127.0.0.1:{other.port}" in one.ask("CLUSTER NODES")
