"""The ingress's cost of a refused request beside an accepted one, each over a connection of its own."""

import asyncio
import base64
import json
import time
import uuid
from collections.abc import Callable
from contextlib import ExitStack, suppress

from nacl.signing import SigningKey

from benchmarks.figures import Result, Table, median, median_ratio
from benchmarks.machine import cpu_seconds
from benchmarks.redis_server import redis_server
from benchmarks.row import Scale
from benchmarks.signed_events import KEY, fresh_ids, post, received, requests
from benchmarks.stacks import RINGBACK_STACK, Receiver, receiving
from service.security.telnyx_signature import sign

REQUESTS = 100
CONNECTIONS = 16
ACCEPTED, LARGE = "200", "200, 1 MB"

Shape = Callable[[], bytes]


def run(scale: Scale) -> Result:
    """Send each shape by turns."""
    shapes = {ACCEPTED: _accepted, LARGE: _large_accepted, **_refused()}
    costs: dict[str, list[float]] = {name: [] for name in shapes}
    with ExitStack() as running:
        redis = running.enter_context(redis_server(scale.folder))
        receiver = running.enter_context(receiving(RINGBACK_STACK, redis, scale))
        for turn in range(scale.rounds + 1):
            for name, shape in shapes.items():
                cost = _measure(receiver, [shape() for _ in range(10 if scale.quick else REQUESTS)])
                # The first turn warms up.
                if turn > 0:
                    costs[name].append(cost)
    # The hash of a large body costs more than all else.
    ratios = {
        name: median_ratio(each, costs[LARGE if "1 MB" in name else ACCEPTED])
        for name, each in costs.items()
        if name not in (ACCEPTED, LARGE)
    }
    lines = [
        [name, f"{median(each) * 1e6:,.0f}", f"{ratios[name]:.2f} ×" if name in ratios else ""]
        for name, each in costs.items()
    ]
    table = Table("Refused requests: CPU of the ingress, connection and all", ("answer", "µs", "beside 200"), lines)
    return Result([table], {"worst / accepted": max(ratios.values())})


def _measure(receiver: Receiver, pool: list[bytes]) -> float:
    """Return the ingress's seconds of CPU for each of some requests."""
    before = cpu_seconds(receiver.process.pid)
    asyncio.run(_send(receiver.port, pool))
    return (cpu_seconds(receiver.process.pid) - before) / len(pool)


async def _send(port: int, pool: list[bytes]) -> None:
    waiting = iter(pool)

    async def send() -> None:
        for each in waiting:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            with suppress(ConnectionError):
                writer.write(each)
                await reader.read(4096)
            writer.close()

    await asyncio.gather(*(send() for _ in range(CONNECTIONS)))


def _accepted() -> bytes:
    return requests(fresh_ids(1), received)[0]


def _large_accepted() -> bytes:
    body = json.dumps({"data": {"id": uuid.uuid4().hex, "event_type": "test.x", "payload": "x" * 1_000_000}}).encode()
    return post("/webhooks", body, sign(body, KEY, int(time.time())))


def _refused() -> dict[str, Shape]:
    """Return requests that are refused, by what is wrong with them."""
    stranger, now = SigningKey.generate(), int(time.time())
    small = json.dumps({"data": {"id": uuid.uuid4().hex, "event_type": "test.x", "payload": ["x"] * 300}}).encode()
    large = json.dumps({"data": {"id": uuid.uuid4().hex, "payload": [{"a": n} for n in range(5000)]}}).encode()
    huge = bytes(1024**2 - 1)
    fake = {"telnyx-signature-ed25519": base64.b64encode(bytes(64)).decode(), "telnyx-timestamp": str(now)}
    signature, path = "telnyx-signature-ed25519", "/webhooks"
    return {
        "401 no header": lambda: post(path, small, {}),
        "401 another key, 1 kB": lambda: post(path, small, sign(small, stranger, now)),
        f"401 another key, {len(large) // 1000} kB": lambda: post(path, large, sign(large, stranger, now)),
        "401 another key, 1 MB": lambda: post(path, huge, sign(huge, stranger, now)),
        "401 bad base64, 60 kB": lambda: post(path, small, {**fake, signature: "A" * 60_000 + "*"}),
        "401 good base64, 60 kB": lambda: post(path, small, {**fake, signature: "A" * 60_000}),
        "401 huge timestamp": lambda: post(path, small, {**fake, "telnyx-timestamp": "9" * 60_000}),
        "401 old timestamp": lambda: post(path, small, {**fake, "telnyx-timestamp": "1"}),
        "401 99 headers": lambda: post(path, small, {f"x-{n}": "y" * 600 for n in range(96)}),
        "431 101 headers": lambda: post(path, small, {f"x-{n}": "y" for n in range(101)}),
        "404 with Telnyx's headers": lambda: post(f"/{uuid.uuid4().hex}", small, fake),
        "431 long path of %": lambda: post("/" + "%41" * 20_000, small, fake),
        "404 path of %, 8 kB": lambda: post("/" + "%41" * 2700, small, fake),
        "405 with Telnyx's headers": lambda: b"PUT" + post(path, small, fake)[4:],
        "413": lambda: post(path, b"", fake, length=10**9),
        "400 signed, no JSON": lambda: post(path, b"[" * 4000, sign(b"[" * 4000, KEY, now)),
        "400 no HTTP": lambda: b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        "400 small requests at once": lambda: b"GET / HTTP/1.1\r\n\r\n" * 100,
    }
