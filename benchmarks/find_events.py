"""How long `ringback events list` takes among a million events, what looking costs the server, and accepting them.

Run it with `python -m benchmarks.find_events [how many]`, with the interpreter into which Ringback is installed.
Everything is real: an embedded server with every write on disk, and a seventh of the events still with their bodies.
"""

import asyncio
import random
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import TypeVar

import orjson
from redis.asyncio import Redis

from service import clock
from service.processes import embedded_server
from service.security.encryption import PLAIN
from service.security.numbers import digests, digests_of
from service.store.connection import connect
from service.store.inbox.accept import NewEvent, accept
from service.store.inbox.imports import STEP, ImportedEvent, import_events
from service.store.inbox.records import HandlerRecord
from service.store.inbox.search import EventFilter, ScanBudget, search
from service.store.store import Store
from service.testing.samples import envelope, inbound_sms

NAMESPACE = "ringback"
RARE = "+13125550777"
DAYS = 7
T = TypeVar("T")


def main(number: int) -> None:
    """Fill a server, then look for things in it."""
    with tempfile.TemporaryDirectory() as folder, embedded_server.start(Path(folder) / "data") as server:
        asyncio.run(measure(server.url, number))
        searches: tuple[tuple[str, ...], ...] = ((), ("--state", "dead"), ("--type", "rare.type"), ("--number", RARE))
        for options in searches:
            began = time.monotonic()
            subprocess.run(
                [sys.executable, "-m", "service.cli", "events", "list", "--json", *options],
                env={"REDIS_URL": server.url},
                stdout=subprocess.DEVNULL,
                check=True,
            )
            print(f"ringback events list {' '.join(options):<24}{time.monotonic() - began:6.2f} s, process and all")


async def measure(url: str, number: int) -> None:
    """Print what each kind of search takes."""
    async with connect(url, timeout=60, connections=8) as redis:
        # Filling goes faster without a file.
        await redis.config_set("appendonly", "no")
        await fill(redis, number)
        await redis.config_set("appendonly", "yes")
        memory = await redis.info("memory")
        print(f"{number} events, {memory['used_memory'] / 2**20:.0f} MiB")
        now = int(clock.now() * 1000)
        for name, wanted in {
            "newest": EventFilter(),
            "state dead": EventFilter(state="dead"),
            "state ignored (rare)": EventFilter(state="ignored"),
            "type, rare": EventFilter(type="rare.type"),
            "handler, of all": EventFilter(handler="consent"),
            "handler, none": EventFilter(handler="nobody"),
            "number, one event": EventFilter(about=digests_of(RARE, PLAIN)),
            "number, last 24 h": EventFilter(about=digests_of(RARE, PLAIN), since=now - 86_400_000),
            "an hour, three days ago": EventFilter(since=now - 3 * 86_400_000, until=now - 3 * 86_400_000 + 3_600_000),
        }.items():
            await timed(redis, name, wanted)
        await accepting(redis)


async def timed(redis: "Redis", name: str, wanted: EventFilter) -> None:
    """Search, while another client measures how long the server keeps it waiting."""
    waits: list[float] = []
    found_it = asyncio.Event()
    pinging = asyncio.create_task(ping(redis, waits, found_it))
    began = time.monotonic()
    effort = ScanBudget()
    found = await search(Store(redis, NAMESPACE, PLAIN), wanted, limit=50, effort=effort)
    seconds = time.monotonic() - began
    found_it.set()
    await pinging
    worst = f"{max(waits) * 1000:.1f} ms" if waits else "-"
    print(
        f"{name:<26}{seconds:7.3f} s  {len(found):>3} found, {effort.spent:>8} looked at, others waited {worst} at most"
    )


async def ping(redis: "Redis", waits: list[float], found_it: asyncio.Event) -> None:
    """Ask again and again."""
    while not found_it.is_set():
        began = time.monotonic()
        await redis.ping()
        waits.append(time.monotonic() - began)
        await asyncio.sleep(0.001)


async def accepting(redis: "Redis") -> None:
    """Measure the cost of the digests of numbers at acceptance."""
    bodies = [orjson.dumps(envelope("message.received", inbound_sms(RARE))) for _ in range(20_000)]
    began = time.perf_counter()
    for body in bodies:
        digests(body, PLAIN)
    each = (time.perf_counter() - began) / len(bodies)
    began = time.perf_counter()
    for some in batched(bodies, 256):
        await accept(
            Store(redis, NAMESPACE, PLAIN),
            [NewEvent(str(uuid.uuid4()), "message.received", body, "webhook") for body in some],
        )
    print(f"marks: {each * 1e6:.1f} us of {(time.perf_counter() - began) / len(bodies) * 1e6:.1f} us at acceptance")


async def fill(redis: "Redis", number: int) -> None:
    """Store events of the last seven days."""
    for some in batched(events(number), STEP):
        await import_events(Store(redis, NAMESPACE, PLAIN), some, run_them=False, keep=DAYS * 86_400.0)


def batched(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Items in lists of this size."""
    several = iter(items)
    while batch := list(islice(several, size)):
        yield batch


def events(number: int) -> Iterator[ImportedEvent]:
    """Events as they would have come."""
    now = int(clock.now() * 1000)
    for index in range(number):
        age = DAYS * 86_400_000 * (number - index) // number
        phone = RARE if index == number // 2 else f"+1312{random.randrange(10**7):07d}"
        body = orjson.dumps(envelope("message.received", inbound_sms(phone)))
        dead, ignored = index % 1000 == 0, index == number // 3
        handlers = {"consent": HandlerRecord("done"), "greet": HandlerRecord("dead" if dead else "done", attempts=1)}
        yield ImportedEvent(
            id=str(uuid.uuid4()),
            type="rare.type" if index == number // 4 else "message.received",
            body=body if age < 86_400_000 or index == number // 2 else None,
            arrived_by="webhook",
            received_at=now - age,
            deliveries=1,
            handlers={} if ignored else handlers,
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
