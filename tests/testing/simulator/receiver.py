"""A receiver of webhooks on loopback, which answers as a test scripts it and shows what it got."""

import json
import queue
import threading
from collections import defaultdict, deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

HANG = 0
"""An answer that does not come until the receiver is closed."""

PATIENCE = 10.0
"""Seconds after which a webhook that should have come is given up on."""


@dataclass(frozen=True)
class Received:
    """One webhook as it arrived."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def type(self) -> str:
        return str(self.json["data"]["event_type"])

    @property
    def payload(self) -> Any:
        return self.json["data"]["payload"]


class Receiver:
    """Everything that arrived and was not yet taken; `answers` are the statuses of the next requests to a path.

    Each test has an address of its own, so that a straggler of the last one is not taken for one of its webhooks.
    """

    def __init__(self, server: ThreadingHTTPServer) -> None:
        self._server = server
        self._test = 0
        self.answers: defaultdict[str, deque[int]] = defaultdict(deque)
        self.closing = threading.Event()
        self.arrived: queue.Queue[Received] = queue.Queue()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}{self.prefix}"

    @property
    def prefix(self) -> str:
        return f"/test-{self._test}"

    @property
    def url(self) -> str:
        return f"{self.address}/webhooks"

    @property
    def failover_url(self) -> str:
        return f"{self.address}/failover"

    def take(self, count: int = 1) -> list[Received]:
        """The next webhooks, waited for."""
        return [self.arrived.get(timeout=PATIENCE) for _ in range(count)]

    def take_types(self, count: int) -> list[str]:
        """The event types of the next webhooks."""
        return [received.type for received in self.take(count)]

    def reset(self) -> None:
        """Forget what arrived and what was scripted, and take another address."""
        self._test += 1
        self.answers.clear()
        while not self.arrived.empty():
            self.arrived.get_nowait()


@contextmanager
def receiving() -> Iterator[Receiver]:
    """A receiver that listens until the block ends."""
    server = _Server(("127.0.0.1", 0), _Handler)
    receiver = server.receiver = Receiver(server)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        receiver.closing.set()
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(ThreadingHTTPServer):
    receiver: Receiver


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_POST(self) -> None:
        receiver = self.server.receiver
        body = self.rfile.read(int(self.headers["content-length"]))
        path = self.path.removeprefix(receiver.prefix)
        if path == self.path:
            return
        scripted = receiver.answers[path]
        status = scripted.popleft() if scripted else 200
        receiver.arrived.put(Received(path, {k.lower(): v for k, v in self.headers.items()}, body))
        if status == HANG:
            receiver.closing.wait()
            return
        # A simulator that is reset does not wait for the answer.
        with suppress(ConnectionError):
            self.send_response(status)
            self.send_header("content-length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name that the base class gives it
        """Say nothing."""
