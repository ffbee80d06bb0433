"""Three servers, one of them the primary, and three sentinels that watch them, on loopback."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.store.server_process import ServerProcess, start_server
from tests.waiting import wait_for

MASTER = "shop"
DOWN_AFTER = 1000
"""Milliseconds without an answer after which a sentinel takes the primary for dead."""
PERIOD = 200
"""Milliseconds between signs of life. Sentinels have many such times, and usually they are seconds."""
_WATCHERS = ("sentinel", "replica")
"""Users of the sentinels and of the replicas at each server, so that a test can shut out them alone."""
CLIENT = "app"
"""The user of everybody else. Each user's password is the name."""


@dataclass
class Trio:
    """The servers and their sentinels, and what a test does with them."""

    servers: list[ServerProcess]
    sentinels: list[ServerProcess]

    @property
    def url(self) -> str:
        """What `REDIS_URL` is set to: two of the sentinels."""
        hosts = ",".join(f"127.0.0.1:{each.port}" for each in self.sentinels[:2])
        return f"redis+sentinel://{CLIENT}:{CLIENT}@{hosts}/{MASTER}/0"

    def primary(self) -> ServerProcess:
        """The primary, as most sentinels know it."""
        told = [int(each.ask("SENTINEL GET-MASTER-ADDR-BY-NAME", MASTER)[1]) for each in self.sentinels]
        return next(each for each in self.servers if each.port == max(told, key=told.count))

    def wait_for_another(self, old: ServerProcess) -> ServerProcess:
        """Return the new primary, once all sentinels have agreed on it."""
        found = wait_for(
            lambda: each if (each := self.primary()) is not old and each.is_primary() else None, seconds=60
        )
        wait_for(lambda: all(self._knows_primary(each, found) for each in self.sentinels), seconds=60)
        return found

    def wait_until_whole(self) -> None:
        """Wait until all servers follow the primary, and all sentinels see that."""
        wait_for(self._is_whole, seconds=120)

    def _is_whole(self) -> bool:
        primary = self.primary()
        others = [each for each in self.servers if each is not primary]
        return all(each.follows(primary.port) for each in others) and all(
            self._sees_all(each) for each in self.sentinels
        )

    def shut_out_watchers(self, server: ServerProcess) -> None:
        """Cut a server off from sentinels and replicas. Clients that know it stay."""
        for user in _WATCHERS:
            server.ask("ACL SETUSER", user, "off")
            server.ask("CLIENT KILL", "USER", user)

    def let_in_watchers(self, server: ServerProcess) -> None:
        """End that."""
        for user in _WATCHERS:
            server.ask("ACL SETUSER", user, "on")

    def cut_off_replica(self, replica: ServerProcess) -> None:
        """Let a replica hear no more of its primary. It lags from now on."""
        replica.ask("CONFIG SET", "masterauth", "wrong")
        replica.ask("CLIENT KILL", "TYPE", "master")
        wait_for(lambda: not replica.follows(self.primary().port))

    def _knows_primary(self, sentinel: ServerProcess, primary: ServerProcess) -> bool:
        return int(sentinel.ask("SENTINEL GET-MASTER-ADDR-BY-NAME", MASTER)[1]) == primary.port

    def _sees_all(self, sentinel: ServerProcess) -> bool:
        told = sentinel.ask("SENTINEL MASTER", MASTER)
        seen = (told["flags"], told["num-slaves"], told["num-other-sentinels"])
        return seen == ("master", len(self.servers) - 1, len(self.sentinels) - 1)


@contextmanager
def open_trio(folder: Path) -> Iterator[Trio]:
    """Run the servers and the sentinels until the block ends."""
    trio = Trio([], [])
    try:
        for number in range(3):
            trio.servers.append(_server(folder / f"server-{number}", trio.servers))
        for number in range(3):
            trio.sentinels.append(_sentinel(folder / f"sentinel-{number}", trio.servers[0]))
        trio.wait_until_whole()
        yield trio
    finally:
        for each in (*trio.sentinels, *trio.servers):
            each.close()


def _server(folder: Path, others: list[ServerProcess]) -> ServerProcess:
    users = ["default off", *(f"{name} on >{name} ~* &* +@all" for name in (*_WATCHERS, CLIENT))]
    following: dict[str, Any] = {"replicaof": f"127.0.0.1 {others[0].port}"} if others else {}
    login = {"username": CLIENT, "password": CLIENT}
    return start_server(folder, login, user=users, masteruser="replica", masterauth="replica", **following)


def _sentinel(folder: Path, primary: ServerProcess) -> ServerProcess:
    sentinel = start_server(
        folder,
        is_sentinel=True,
        sentinel=[
            f"monitor {MASTER} 127.0.0.1 {primary.port} 2",
            f"down-after-milliseconds {MASTER} {DOWN_AFTER}",
            f"failover-timeout {MASTER} 5000",
            f"auth-user {MASTER} sentinel",
            f"auth-pass {MASTER} sentinel",
        ],
    )
    for name in ("INFO-PERIOD", "PUBLISH-PERIOD", "PING-PERIOD", "ASK-PERIOD"):
        sentinel.ask("SENTINEL DEBUG", name, PERIOD)
    return sentinel
