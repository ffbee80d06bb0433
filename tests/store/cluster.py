"""A cluster of real servers: three primaries, each with a replica, on loopback."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from redis.crc import key_slot
from redis.exceptions import RedisError

from tests.store.server_process import ServerProcess, start_server
from tests.waiting import wait_for

NODE_TIMEOUT = 500
"""Milliseconds without an answer after which the others take a primary for dead."""
SLOTS = 16_384
NAMESPACE = "{fleet}"


Node = ServerProcess


def node_id(node: Node) -> str:
    """Return the name that the cluster knows a server by."""
    return str(node.ask("CLUSTER MYID"))


def keys_of(node: Node, pattern: str) -> list[bytes]:
    """Return the keys of the deployment that a server holds, by a pattern."""
    return list(node.redis.scan_iter(f"{NAMESPACE}:{pattern}"))


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
        return self.owner().has_level_replicas()

    def wait_for_another(self, old: Node) -> Node:
        """Return the new owner of the slot."""
        return wait_for(lambda: self.owner_but(old), seconds=60)

    def owner_but(self, old: Node) -> Node | None:
        """Return the owner, or None while that is the old one or nobody."""
        try:
            return found if (found := self.owner()) is not old else None
        except (AssertionError, RedisError):
            return None

    def wait_until_whole(self) -> None:
        """Wait until all slots are served, and each primary has a replica that follows it."""
        wait_for(self._is_whole, seconds=120)

    def _is_whole(self) -> bool:
        try:
            primaries = [each for each in self.nodes if each.is_primary()]
            replicas = [each for each in self.nodes if each not in primaries]
            states = {each.ask("CLUSTER INFO")["cluster_state"] for each in self.nodes}
        except (RedisError, OSError):
            return False
        followed = {one.port for one in primaries for each in replicas if each.follows(one.port)}
        return len(primaries) == len(followed) == 3 and states == {"ok"}

    def begin_to_move_slot(self) -> tuple[Node, Node]:
        """Open the slot for its move to another primary. Return both."""
        source = self.owner()
        target = next(each for each in self.nodes if each is not source and each.is_primary())
        target.ask("CLUSTER SETSLOT", self.slot, "IMPORTING", node_id(source))
        source.ask("CLUSTER SETSLOT", self.slot, "MIGRATING", node_id(target))
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
            each.ask("CLUSTER SETSLOT", self.slot, "NODE", node_id(target))


@contextmanager
def open_cluster(folder: Path, *, node_timeout: int = NODE_TIMEOUT) -> Iterator[Cluster]:
    """Run six servers until the block ends."""
    nodes: list[Node] = []
    try:
        nodes.extend(_start(folder / f"node-{number}", node_timeout) for number in range(6))
        _join(nodes)
        yield Cluster(nodes)
    finally:
        for each in nodes:
            each.close()


def _start(folder: Path, node_timeout: int) -> Node:
    return start_server(
        folder, cluster_enabled="yes", cluster_node_timeout=node_timeout, cluster_replica_validity_factor=0
    )


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
        replica.ask("CLUSTER REPLICATE", node_id(primary))
    wait_for(lambda: all(each.ask("CLUSTER INFO")["cluster_state"] == "ok" for each in nodes))
    wait_for(lambda: all(each.follows(primary.port) for each, primary in zip(replicas, primaries, strict=True)))


def _knows(one: Node, other: Node) -> bool:
    return f"127.0.0.1:{other.port}" in one.ask("CLUSTER NODES")
