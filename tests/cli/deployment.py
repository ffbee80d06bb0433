"""A namespace of a real server, with events as an ingress and workers leave them, and commands that look at it."""

import itertools
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from redis import Redis
from typer.testing import CliRunner

import service
from service.cli import app
from service.cli.connections import ask_at
from service.security.encryption import PLAIN, Sealer
from service.store.connection import locate
from service.store.inbox.accept import NewEvent, accept
from service.store.inbox.handler_records import HandlerRecord
from service.store.inbox.leases import ClaimRequest, HandlerResults, Lease, claim, finish
from service.store.keys import Keys
from service.store.store import Store
from tests.stack import make_settings, place

T = TypeVar("T")

NUMBERS = itertools.count(1)

ROOT = Path(service.__file__).parents[1]


@dataclass(frozen=True)
class Ran:
    """How a command ended, and what it said."""

    code: int
    stdout: str
    stderr: str


@dataclass(frozen=True)
class Deployment:
    """One deployment's keys; `redis` is for whoever meddles with them, `url` is where connections lead."""

    url: str
    namespace: str
    redis: "Redis"
    encryption: Sealer = PLAIN

    @property
    def keys(self) -> Keys:
        return Keys(self.namespace)

    def accept(self, *ids: str, event_type: str = "message.received", delay: int = 0) -> None:
        arrivals = [NewEvent(event_id, event_type, b'{"data":{}}', "webhook", delay) for event_id in ids]
        self.ask(lambda store: accept(store, arrivals))

    def claim(self, event_id: str, *handlers: str) -> Lease:
        routes = {name: ["*"] for name in handlers}
        request = ClaimRequest("worker", next(NUMBERS), lease=60, limit=1, routes=routes, only=event_id)
        [lease] = self.ask(lambda store: claim(store, request)).leases
        return lease

    def finish(self, event_id: str, **ended: HandlerRecord) -> None:
        self.end(self.claim(event_id, *ended), **ended)

    def end(self, lease: Lease, **ended: HandlerRecord) -> None:
        self.ask(lambda store: finish(store, [HandlerResults.of(lease, ended, release=True)]))

    def one_of_each(self) -> None:
        """An event in each state: `open`, `leased`, `done`, `ignored` and `dead`."""
        self.accept("open", "leased", "done", "ignored", "dead")
        self.claim("leased", "greet")
        self.finish("done", greet=HandlerRecord("done"))
        self.finish("ignored")
        self.finish("dead", greet=HandlerRecord("dead", attempts=8), thank=HandlerRecord("done"))

    def ask(self, work: "Callable[[Store], Awaitable[T]]") -> T:
        return ask_at(self.url, self.namespace, self.encryption, work)

    def neighbour(self) -> "Deployment":
        """Another deployment at the same place, for commands."""
        name = self.environment["RINGBACK_NAMESPACE"]
        settings = make_settings(redis_url=self.environment["REDIS_URL"], namespace=f"{name}-b")
        return Deployment(locate(settings), settings.namespace, self.redis)

    @property
    def environment(self) -> dict[str, str]:
        return place(self.url, self.namespace)

    def run(self, *arguments: str) -> Ran:
        """A command in this process."""
        return run_here(*arguments, **self.environment)

    def run_process(self, *arguments: str) -> Ran:
        """A command in a process of its own."""
        return run_process(*arguments, **self.environment)


def run_here(*arguments: str, **environment: str) -> Ran:
    """`ringback` in this process, which knows these variables."""
    result = CliRunner().invoke(app, arguments, env=environment, catch_exceptions=False)
    return Ran(result.exit_code, result.stdout, result.stderr)


def run_process(*arguments: str, **environment: Any) -> Ran:
    """`ringback` as a real process that knows nothing but these variables, in the test's own folder."""
    ended = subprocess.run(
        [sys.executable, "-m", "service.cli", *arguments],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    return Ran(ended.returncode, ended.stdout, ended.stderr)
