"""Measure the ingress's cost of accepting a webhook, in this checkout and another one.

Run it with `python -m benchmarks.accept_cost <folder of the other checkout>`; with `.` it is this one without
`RINGBACK_ENCRYPTION_KEY` that is the other, and with a key that is this. Both ingresses run at the same time, on
one server, and are loaded by turns. The figure is processor time of the ingress per webhook, which other work on the
machine disturbs less than the time that passes. The server says how long it ran accept for each of them.
"""

import asyncio
import base64
import os
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import orjson
from nacl.signing import SigningKey
from redis import Redis

from service.cli.demo.stack import free_port
from service.processes import embedded_server
from service.security.telnyx_signature import public_key_text, sign
from tests.processes.running import clean_environment
from tests.telnyx_events import envelope, received_sms
from tests.waiting import wait_for

ROUNDS = int(os.environ.get("ROUNDS", "60"))
WEBHOOKS = 1000
CONNECTIONS = 64


def main() -> None:
    """Measure, and print the medians and their ratio."""
    checkouts = {"this": Path(__file__).parents[1], "other": Path(sys.argv[1]).resolve()}
    key, costs = SigningKey.generate(), {name: list[float]() for name in checkouts}
    served = {name: list[float]() for name in checkouts}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = stack.enter_context(embedded_server.start(folder / "data"))
        sealing = base64.b64encode(os.urandom(32)).decode() if checkouts["this"] == checkouts["other"] else ""
        sealed = {"this": sealing, "other": ""}
        ingresses = {
            name: stack.enter_context(ingress(checkout, folder, name, server.url, key, sealed=sealed[name]))
            for name, checkout in checkouts.items()
        }
        for turn in range(ROUNDS + 1):
            for name in sorted(ingresses, reverse=turn % 2 == 0):
                before = script_seconds(server.url)
                cost = measured(*ingresses[name], key)
                if turn > 0:  # the first one warms up
                    costs[name].append(cost)
                    served[name].append((script_seconds(server.url) - before) / WEBHOOKS)
    medians = {name: statistics.median(each) for name, each in costs.items()}
    pairs = [this / other for this, other in zip(costs["this"], costs["other"], strict=True)]
    for name, median in medians.items():
        print(f"{name}: {median * 1e6:.1f} µs of processor time per webhook ({min(costs[name]) * 1e6:.1f} at best)")
        print(f"{name}: {statistics.median(served[name]) * 1e6:.2f} µs of the server in accept per webhook")
    print(f"this / other: {statistics.median(pairs):.3f} (median of {ROUNDS} pairs)")


@contextmanager
def ingress(
    checkout: Path, folder: Path, name: str, redis_url: str, key: SigningKey, *, sealed: str
) -> Iterator[tuple[int, int]]:
    """An ingress of a checkout, with a namespace of its own: its process id and port."""
    port = free_port()
    environment = clean_environment(
        PYTHONPATH=str(checkout),
        TELNYX_PUBLIC_KEY=public_key_text(key),
        REDIS_URL=redis_url,
        RINGBACK_NAMESPACE=name,
        RINGBACK_PORT=str(port),
        RINGBACK_ENCRYPTION_KEY=sealed,
    )
    with (folder / f"{name}.log").open("wb") as log:
        command = [sys.executable, "-c", "from service.cli import main; main()", "ingress"]
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
    try:
        wait_for(lambda: process.poll() is not None or answers(port))
        assert process.poll() is None, (folder / f"{name}.log").read_text()
        yield process.pid, port
    finally:
        process.terminate()
        process.wait()


def answers(port: int) -> bool:
    """Whether an ingress takes webhooks there."""
    try:
        return httpx.get(f"http://127.0.0.1:{port}/readyz", trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


def measured(pid: int, port: int, key: SigningKey) -> float:
    """Seconds of processor time that each of some new webhooks costs."""
    requests = [request(key) for _ in range(WEBHOOKS)]
    before = processor_time(pid)
    asyncio.run(load(port, requests))
    return (processor_time(pid) - before) / WEBHOOKS


def processor_time(pid: int) -> float:
    """Seconds that a process has run so far, in all its threads."""
    threads = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(thread.read_text().split()[0]) for thread in threads) / 1e9


def script_seconds(url: str) -> float:
    """Return the seconds that the server has spent in scripts so far."""
    with Redis.from_url(url) as redis:
        return float(redis.info("commandstats").get("cmdstat_evalsha", {"usec": 0})["usec"]) / 1e6


def request(key: SigningKey) -> bytes:
    """A signed webhook, as its bytes on the wire."""
    body = orjson.dumps(envelope("message.received", received_sms("+13125550123", uuid.uuid4().hex * 30)))
    headers = {**sign(body, key, int(time.time())), "host": "localhost", "content-length": str(len(body))}
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"POST /webhooks HTTP/1.1\r\n{lines}\r\n".encode() + body


async def load(port: int, requests: list[bytes]) -> None:
    """Send all requests, over so many connections at once."""
    waiting = iter(requests)

    async def send() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for each in waiting:
            writer.write(each)
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200"), head
            [length] = (line for line in head.split(b"\r\n") if line.startswith(b"content-length"))
            await reader.readexactly(int(length.partition(b":")[2]))
        writer.close()

    await asyncio.gather(*(send() for _ in range(CONNECTIONS)))


if __name__ == "__main__":
    main()
