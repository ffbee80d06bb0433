"""The process that sends a load: `python -m benchmarks.load_process FILE --port PORT --seconds SECONDS`."""

import argparse
import asyncio
import json
import pickle
import selectors
import time
from collections import deque
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import cast

import uvloop

from benchmarks.load import CONNECTIONS, GRACE_SECONDS, LoadReport


class _Load:
    """The requests that are still to be sent, and what became of the others."""

    def __init__(self, requests: list[bytes]) -> None:
        self.next = iter(requests)
        self.free: deque[_Connection] = deque()
        self.late: deque[tuple[bytes, float]] = deque()
        self.accepted = self.refused = self.busy = 0
        self.latencies: list[float] = []
        self.done = asyncio.Event()
        self.closed_loop = True
        self.all_sent = False

    def answered(self, connection: "_Connection", *, accepted: bool) -> None:
        """Note an answer, and give the connection its next request."""
        self.latencies.append(time.monotonic() - connection.due)
        self.accepted += accepted
        self.refused += not accepted
        self.busy -= 1
        connection.busy = False
        if self.closed_loop:
            request = next(self.next, None)
            if request is not None and not self.all_sent:
                self.start(connection, request, time.monotonic())
        elif self.late:
            self.start(connection, *self.late.popleft())
        else:
            self.free.append(connection)
        if self.busy == 0 and (self.closed_loop or self.all_sent):
            self.done.set()

    def lost(self, connection: "_Connection") -> None:
        """Count a request whose connection was closed in place of an answer."""
        if connection.busy:
            self.refused += 1
            self.busy -= 1
            if self.busy == 0:
                self.done.set()

    def start(self, connection: "_Connection", request: bytes, due: float) -> None:
        """Send a request that was due at this time (monotonic)."""
        self.busy += 1
        connection.busy, connection.due = True, due
        connection.transport.write(request)


class _Connection(asyncio.Protocol):
    """One connection, with at most one request under way."""

    transport: asyncio.Transport

    def __init__(self, load: _Load) -> None:
        self.load, self.due, self.busy, self.buffer = load, 0.0, False, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the first request."""
        # uvloop's is no subclass of asyncio's.
        self.transport = cast("asyncio.Transport", transport)
        self.load.free.append(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Count the answer that did not come. The connection has ended."""
        del exc
        self.load.lost(self)

    def data_received(self, data: bytes) -> None:
        """Read an answer, which may come in pieces."""
        self.buffer = data = self.buffer + data if self.buffer else data
        head = data.find(b"\r\n\r\n")
        if head < 0:
            return
        lowered = data[:head].lower()
        length = lowered.find(b"content-length: ") + 16
        end = lowered.find(b"\r\n", length)
        if len(data) >= head + 4 + int(lowered[length : end if end > 0 else head]):
            self.buffer = b""
            self.load.answered(self, accepted=data[9:12] == b"200")


async def _run(requests: list[bytes], port: int, connections: int, seconds: float, rate: float | None) -> LoadReport:
    loop, load = asyncio.get_running_loop(), _Load(requests)
    for _ in range(connections):
        await loop.create_connection(lambda: _Connection(load), "127.0.0.1", port)
    began, cpu = time.monotonic(), time.process_time()
    if rate is None:
        loop.call_later(seconds, lambda: setattr(load, "all_sent", True))
        for connection in list(load.free):
            if (request := next(load.next, None)) is not None:
                load.start(connection, request, time.monotonic())
        await load.done.wait()
        took = time.monotonic() - began
    else:
        load.closed_loop = False
        _send_by_the_clock(loop, load, requests[: int(rate * seconds)], began, rate)
        took = min(seconds, len(requests) / rate)
        with suppress(TimeoutError):
            await asyncio.wait_for(load.done.wait(), took + GRACE_SECONDS)
    missing = load.busy + len(load.late)
    return LoadReport(load.accepted, load.refused, missing, took, time.process_time() - cpu, began, load.latencies)


def _send_by_the_clock(
    loop: asyncio.AbstractEventLoop, load: _Load, requests: list[bytes], began: float, rate: float
) -> None:
    """Send each request when it is due, or note that no connection was free."""

    def tick(number: int) -> None:
        now = time.monotonic()
        while number < len(requests) and (due := began + number / rate) <= now:
            if load.free:
                load.start(load.free.popleft(), requests[number], due)
            else:
                load.late.append((requests[number], due))
            number += 1
        if number < len(requests):
            loop.call_at(began + number / rate, tick, number)
        else:
            load.all_sent = True

    tick(0)


def main() -> None:
    """Send the requests of a file, and print the report as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--connections", type=int, default=CONNECTIONS)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--rate", type=float)
    given = parser.parse_args()
    requests: list[bytes] = pickle.loads(given.file.read_bytes())  # noqa: S301 - our own file
    # Timers of select are finer than the millisecond of epoll and uvloop.
    loop = uvloop.new_event_loop() if given.rate is None else asyncio.SelectorEventLoop(selectors.SelectSelector())
    report = loop.run_until_complete(_run(requests, given.port, given.connections, given.seconds, given.rate))
    print(json.dumps(asdict(report)))


if __name__ == "__main__":
    main()
