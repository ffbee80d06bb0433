"""Measure the ingress's processor time for a refused request, beside an accepted event.

Run it with `python -m benchmarks.refusal_cost`, or with the folder of another checkout to measure that one. Each
request comes over a connection of its own, as most answers to strangers close it; accepted events do so too.
"""

import asyncio
import base64
import json
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from nacl.signing import SigningKey

from benchmarks.accept_cost import ingress, processor_time
from benchmarks.accept_cost import request as accepted
from service.processes import embedded_server
from service.security.telnyx_signature import sign

ROUNDS = 5
REQUESTS = 100
CONNECTIONS = 16
MAX_RATIO = 3.0

Shape = Callable[[], bytes]


def main() -> None:
    """Measure, print the median of each ratio, and end with 1 where one is above three."""
    checkout = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parents[1]).resolve()
    key = SigningKey.generate()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = stack.enter_context(embedded_server.start(folder / "data"))
        pid, port = stack.enter_context(ingress(checkout, folder, "this", server.url, key, sealed=""))
        shapes: dict[str, Shape] = {
            "accepted": lambda: accepted(key),
            "accepted, 1 MB": lambda: large_accepted(key),
            **refused(key),
        }
        costs = {name: list[float]() for name in shapes}
        for turn in range(ROUNDS + 1):
            for name, shape in shapes.items():
                cost = measured(pid, port, shape)
                if turn > 0:  # the first one warms up
                    costs[name].append(cost)
    ratios = {
        name: statistics.median(
            one / base
            for one, base in zip(each, costs["accepted, 1 MB" if "1 MB" in name else "accepted"], strict=True)
        )
        for name, each in costs.items()
    }
    for name, ratio in ratios.items():
        print(f"{name:45} {statistics.median(costs[name]) * 1e6:8.0f} µs  {ratio:5.2f}")
    sys.exit(1 if max(ratios.values()) > MAX_RATIO else 0)


def large_accepted(key: SigningKey) -> bytes:
    """A signed event of nearly 1 MB: the hash of so much costs more than all else."""
    body = json.dumps({"data": {"id": uuid.uuid4().hex, "event_type": "test.x", "payload": "x" * 1_000_000}}).encode()
    return post(sign(body, key, int(time.time())), body)


def refused(key: SigningKey) -> dict[str, Shape]:
    """Requests that are refused, by what is wrong with them."""
    stranger, now = SigningKey.generate(), int(time.time())
    small = json.dumps({"data": {"id": uuid.uuid4().hex, "event_type": "test.x", "payload": ["x"] * 300}}).encode()
    large = json.dumps({"data": {"id": uuid.uuid4().hex, "payload": [{"a": n} for n in range(5000)]}}).encode()
    huge = bytes(1024**2 - 1)
    fake = {"telnyx-signature-ed25519": base64.b64encode(bytes(64)).decode(), "telnyx-timestamp": str(now)}
    return {
        "401 no header": lambda: post({}, small),
        "401 another key, 1 kB": lambda: post(sign(small, stranger, now), small),
        f"401 another key, {len(large) // 1000} kB": lambda: post(sign(large, stranger, now), large),
        "401 another key, 1 MB": lambda: post(sign(huge, stranger, now), huge),
        "401 bad base64, 60 kB": lambda: post({**fake, "telnyx-signature-ed25519": "A" * 60_000 + "*"}, small),
        "401 good base64, 60 kB": lambda: post({**fake, "telnyx-signature-ed25519": "A" * 60_000}, small),
        "401 huge timestamp": lambda: post({**fake, "telnyx-timestamp": "9" * 60_000}, small),
        "401 old timestamp": lambda: post({**fake, "telnyx-timestamp": "1"}, small),
        "401 99 headers": lambda: post({f"x-{n}": "y" * 600 for n in range(96)}, small),
        "431 101 headers": lambda: post({f"x-{n}": "y" for n in range(101)}, small),
        "404 with Telnyx's headers": lambda: post(fake, small, f"/{uuid.uuid4().hex}"),
        "431 long path of %": lambda: post(fake, small, "/" + "%41" * 20_000),
        "404 path of %, 8 kB": lambda: post(fake, small, "/" + "%41" * 2700),
        "405 with Telnyx's headers": lambda: b"PUT" + post(fake, small)[4:],
        "413": lambda: post({**fake}, b"", length=10**9),
        "400 signed, no JSON": lambda: post(sign(b"[" * 4000, key, now), b"[" * 4000),
        "400 no HTTP": lambda: b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        "400 small requests at once": lambda: b"GET / HTTP/1.1\r\n\r\n" * 100,
    }


def post(headers: dict[str, str], body: bytes, path: str = "/webhooks", length: int | None = None) -> bytes:
    """A request as its bytes on the wire."""
    declared = len(body) if length is None else length
    lines = "".join(
        f"{name}: {value}\r\n" for name, value in {**headers, "host": "x", "content-length": str(declared)}.items()
    )
    return f"POST {path} HTTP/1.1\r\n{lines}\r\n".encode() + body


def measured(pid: int, port: int, shape: Shape) -> float:
    """Seconds of processor time that each of some requests costs."""
    requests = [shape() for _ in range(REQUESTS)]
    before = processor_time(pid)
    asyncio.run(load(port, requests))
    return (processor_time(pid) - before) / REQUESTS


async def load(port: int, requests: list[bytes]) -> None:
    """Send all requests, over a connection each and so many at once."""
    waiting = iter(requests)

    async def send() -> None:
        for each in waiting:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                writer.write(each)
                await reader.read(4096)
            except ConnectionError:
                pass
            writer.close()

    await asyncio.gather(*(send() for _ in range(CONNECTIONS)))


if __name__ == "__main__":
    main()
