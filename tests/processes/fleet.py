"""A deployment of real processes: a server, an ingress, workers and a local Telnyx, each of which may be killed."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import orjson
from nacl.signing import SigningKey

from service.cli.connections import ask_at
from service.cli.demo.stack import free_port
from service.processes import embedded_server
from service.security.encryption import PLAIN
from service.security.telnyx_signature import public_key_text, sign
from service.store.inbox import accept
from service.store.inbox.audit import audit
from service.store.inbox.records import EventRecord
from service.store.store import Store
from service.testing.simulator import Simulator
from service.testing.simulator import running as simulating
from tests.pending import pending
from tests.processes.running import RINGBACK, clean_environment
from tests.waiting import wait_for

NAMESPACE = "fleet"
START_SECONDS = 60.0
"""How long a process may take to start on a busy machine; no test is about that."""


@dataclass
class Fleet:
    """The processes, and what a test does with them."""

    folder: Path
    key: SigningKey
    simulator: Simulator
    server: embedded_server.EmbeddedServer
    environment: dict[str, str]
    port: int
    processes: list["subprocess.Popen[bytes]"] = field(default_factory=list)

    def start(self, role: str, **variables: str) -> "subprocess.Popen[bytes]":
        """Start `ringback <role>`; its log is `<role>-<n>.log`."""
        log = self.folder / f"{role}-{len(self.processes)}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [*RINGBACK, role],
                cwd=self.folder,
                env={**self.environment, **variables},
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        self.processes.append(process)
        return process

    def start_ingress(self) -> "subprocess.Popen[bytes]":
        """Start the ingress, and wait until it takes webhooks."""
        process = self.start("ingress")
        wait_for(lambda: process.poll() is None and self._ready(), seconds=START_SECONDS)
        return process

    def start_worker(self, **variables: str) -> "subprocess.Popen[bytes]":
        """Start a worker, and wait until it says that it is ready."""
        process = self.start("worker", **variables)
        log = self.folder / f"worker-{len(self.processes) - 1}.log"
        wait_for(lambda: b"worker ready" in log.read_bytes() or process.poll() is not None, seconds=START_SECONDS)
        assert process.poll() is None, log.read_text()
        return process

    def deliver(
        self, body: dict[str, Any], *, path: str = "/webhooks", headers: Mapping[str, str] | None = None
    ) -> httpx.Response:
        """Sign and send a body."""
        return deliver(body, self.key, self.port, path=path, more=headers)

    def accepted(self, *bodies: dict[str, Any]) -> None:
        """Deliver, and insist."""
        for body in bodies:
            assert self.deliver(body).status_code == 200

    def record(self, event_id: str) -> EventRecord | None:
        """The record of an event."""
        return ask_at(self.server.url, NAMESPACE, PLAIN, lambda store: accept.find(store, event_id))

    def ended(self, body: dict[str, Any], *, seconds: float = 60) -> EventRecord:
        """The record of an event once it has ended."""

        def has_ended() -> EventRecord | None:
            record = self.record(body["data"]["id"])
            return record if record is not None and record.state != "open" else None

        return wait_for(has_ended, seconds=seconds)

    def counts(self) -> accept.Counts:
        """The counters."""
        return ask_at(self.server.url, NAMESPACE, PLAIN, accept.counts)

    def audit_is_clean(self) -> bool:
        """Whether nothing is missing."""
        return ask_at(self.server.url, NAMESPACE, PLAIN, audit).clean

    def sent_to(self, number: str) -> list[Any]:
        """Messages that the local Telnyx took for a number, replays left out."""
        return [
            each
            for each in self.simulator.requests
            if each.method == "POST"
            and isinstance(each.body, dict)
            and each.body.get("to") == number
            and each.status == 200
            and not each.replayed
        ]

    def server_has(self, pattern: str, *, at_least: int) -> bool:
        """Whether so many keys of ours match a pattern."""

        async def matching(store: Store) -> int:
            return len([key async for key in store.redis.scan_iter(f"{store.namespace}:{pattern}")])

        return ask_at(self.server.url, NAMESPACE, PLAIN, matching) >= at_least

    def is_leased(self, body: dict[str, Any]) -> bool:
        """Whether a worker has the event."""

        async def leased(store: Store) -> bool:
            return bool(await pending(store.redis.hexists(store.keys.event(body["data"]["id"]), "lease")))

        return ask_at(self.server.url, NAMESPACE, PLAIN, leased)

    def restart_server(self) -> None:
        """Start the server again on the same data, after it was killed."""
        self.server.process.wait()
        self.server.folder.release()
        self.server = embedded_server.start(self.server.folder.data)

    def written(self, name: str) -> list[str]:
        """The lines that the handlers wrote into a file of this name."""
        with suppress(FileNotFoundError):
            return (self.folder / name).read_text().splitlines()
        return []

    def _ready(self) -> bool:
        with suppress(httpx.HTTPError):
            return httpx.get(f"http://127.0.0.1:{self.port}/readyz", trust_env=False).status_code == 200
        return False


def deliver(
    body: dict[str, Any],
    key: SigningKey,
    port: int,
    *,
    path: str = "/webhooks",
    more: Mapping[str, str] | None = None,
) -> httpx.Response:
    """Sign a body, and send it to the ingress on this port."""
    raw = orjson.dumps(body)
    headers = {**sign(raw, key, int(time.time())), **(more or {})}
    return httpx.post(f"http://127.0.0.1:{port}{path}", content=raw, headers=headers, trust_env=False, timeout=5)


@contextmanager
def open_fleet(folder: Path, handlers: str, beside: Path | None = None, /, **variables: str) -> Iterator[Fleet]:
    """A server and a local Telnyx; `handlers` is the text of `my_handlers.py`, whose `router` the workers load.

    `beside` is a module that the handlers import.
    """
    (folder / "my_handlers.py").write_text(handlers)
    if beside is not None:
        shutil.copy(beside, folder)
    key, simulator, port = SigningKey.generate(), Simulator(), free_port()
    with ExitStack() as stack:
        telnyx = stack.enter_context(simulating(simulator))
        server = embedded_server.start(folder / "data")
        ours = {
            "TELNYX_PUBLIC_KEY": public_key_text(key),
            "TELNYX_API_KEY": "KEY",
            "TELNYX_BASE_URL": f"{telnyx}/v2",
            "REDIS_URL": server.url,
            "RINGBACK_NAMESPACE": NAMESPACE,
            "RINGBACK_PORT": str(port),
            "RINGBACK_LEASE": "1s",
            "RINGBACK_GRACE": "2s",
            "HANDLERS": "my_handlers:router",
        }
        environment = clean_environment(**{**ours, **variables})
        fleet = Fleet(folder, key, simulator, server, environment, port)
        try:
            yield fleet
        finally:
            for process in fleet.processes:
                if process.poll() is None:
                    process.send_signal(signal.SIGCONT)
                    process.kill()
                process.wait()
            with suppress(ProcessLookupError):
                os.kill(fleet.server.process.pid, signal.SIGCONT)
            fleet.server.stop()
