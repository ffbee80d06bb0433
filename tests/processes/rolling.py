"""A rolling deploy: two builds beside each other behind a load balancer, and a load that never pauses."""

import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import httpx
import orjson

from service.cli.demo.stack import free_port
from service.security.telnyx_signature import sign
from tests.processes.fleet import START_SECONDS, Fleet
from tests.telnyx_events import envelope, finalized_rcs
from tests.waiting import wait_for

Build = Mapping[str, str]
"""The variables that make a process one of a build."""
STOP_SECONDS = 30.0


@dataclass
class Balancer:
    """Sends each request to the next ingress of a list, and knows which requests are under way."""

    ports: list[int] = field(default_factory=list)
    _turn: Iterator[int] = field(default_factory=count)
    _under_way: Counter[int] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def request(self) -> Iterator[int]:
        """Give the port for one request."""
        with self._lock:
            port = self.ports[next(self._turn) % len(self.ports)]
            self._under_way[port] += 1
        try:
            yield port
        finally:
            with self._lock:
                self._under_way[port] -= 1

    def add(self, port: int) -> None:
        with self._lock:
            self.ports.append(port)

    def drain(self, port: int) -> None:
        """Take an ingress out of the list, and wait for its last request."""
        with self._lock:
            self.ports.remove(port)
        wait_for(lambda: self._under_way[port] == 0)


@dataclass
class Load:
    """Webhooks without a pause. Every fifth is a failed RCS message, and every seventh is delivered twice."""

    fleet: Fleet
    balancer: Balancer
    answers: Counter[tuple[int, str]] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)
    """The ids of failed RCS messages' events, and their recipients."""
    ended: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        with httpx.Client(trust_env=False, timeout=10) as http:
            for number in count():
                body = self._event(number)
                for _ in range(2 if number % 7 == 0 else 1):
                    self._deliver(http, body)
                if self.ended.wait(0.005):
                    return

    def _event(self, number: int) -> dict[str, Any]:
        if number % 5:
            body = envelope("test.note", {"number": number})
            self.notes.append(body["data"]["id"])
            return body
        recipient = f"+1312555{number:07d}"
        body = envelope("message.finalized", finalized_rcs("delivery_failed", recipient, id=f"message-{number}"))
        self.failures[body["data"]["id"]] = recipient
        return body

    def _deliver(self, http: httpx.Client, body: dict[str, Any]) -> None:
        raw = orjson.dumps(body)
        headers = sign(raw, self.fleet.key, int(time.time()))
        with self.balancer.request() as port:
            try:
                answer = http.post(f"http://127.0.0.1:{port}/webhooks", content=raw, headers=headers)
                self.answers[answer.status_code, answer.text] += 1
            except httpx.HTTPError as error:
                self.answers[0, type(error).__name__] += 1


@dataclass
class Rollout:
    """The processes of the builds by role, and the steps that the upgrade page names."""

    fleet: Fleet
    balancer: Balancer = field(default_factory=Balancer)
    ingress: "dict[int, subprocess.Popen[bytes]]" = field(default_factory=dict)
    workers: "list[subprocess.Popen[bytes]]" = field(default_factory=list)

    def start_ingress(self, build: Build) -> int:
        """Start one, wait until it is ready, and put it into the list."""
        port = free_port()
        process = self.fleet.start("ingress", **build, RINGBACK_PORT=str(port))
        wait_for(lambda: _is_ready(port, process), seconds=START_SECONDS)
        self.ingress[port] = process
        self.balancer.add(port)
        self.fleet.port = port
        return port

    def start_worker(self, build: Build) -> None:
        self.workers.append(self.fleet.start_worker(**build))

    def replace_workers(self, build: Build) -> None:
        """Start a worker of this build, then stop those of the other."""
        before, self.workers = self.workers, []
        self.start_worker(build)
        for each in before:
            _stop(each)

    def stop_workers(self) -> None:
        while self.workers:
            _stop(self.workers.pop())

    def replace_ingress(self, build: Build) -> None:
        """Start an ingress of this build, then take those of the other out of the list and stop them."""
        before = list(self.ingress)
        self.start_ingress(build)
        for port in before:
            self.balancer.drain(port)
            _stop(self.ingress.pop(port))


def _stop(process: "subprocess.Popen[bytes]") -> None:
    process.send_signal(signal.SIGTERM)
    assert process.wait(STOP_SECONDS) == 0


def _is_ready(port: int, process: "subprocess.Popen[bytes]") -> bool:
    assert process.poll() is None
    try:
        return httpx.get(f"http://127.0.0.1:{port}/readyz", trust_env=False, timeout=5).status_code == 200
    except httpx.HTTPError:
        return False
