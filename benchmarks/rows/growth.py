"""The cost of accepting, claiming, finishing and finding beside a backlog of open events."""

import asyncio
import subprocess
import time
import uuid
from collections.abc import Awaitable, Callable
from itertools import pairwise

from benchmarks.figures import Result, Table, median, median_ratio
from benchmarks.redis_server import RedisServer, redis_server
from benchmarks.row import Scale
from benchmarks.signed_events import fresh_ids, small
from benchmarks.stacks import RINGBACK, RINGBACK_STACK
from service.security.encryption import PLAIN
from service.security.numbers import digests_of
from service.store.connection import connect
from service.store.inbox.accept import NewEvent, accept
from service.store.inbox.handler_records import HandlerRecord
from service.store.inbox.leases import ClaimRequest, HandlerResults, claim, finish
from service.store.inbox.search import EventFilter, search
from service.store.inbox.transfer import STEP, ImportedEvent, import_events
from service.store.store import Store

SIZES = (1000, 100_000, 1_000_000)
QUICK_SIZES = (1000, 10_000)
DAYS = 7
BATCH = 64
BATCHES = 10
ROUNDS = 3
FILLING_AT_ONCE = 4
RARE = "+13125550777"
Costs = dict[str, float]
Side = tuple[Store, RedisServer]


def run(scale: Scale) -> Result:
    """Fill a server step by step, and measure it beside a small one, by turns."""
    sizes = QUICK_SIZES if scale.quick else SIZES
    with redis_server(scale.folder) as small_server, redis_server(scale.folder) as server:
        costs, ratios = asyncio.run(_measure(small_server, server, scale, sizes))
    searches = [name for name in ratios if name.startswith("search: ")]
    figures = {name: ratio for name, ratio in ratios.items() if name not in searches}
    figures["search"] = max(ratios[name] for name in searches)
    table = Table(
        "Growth: the cost beside a backlog of open events, received over seven days",
        ("", *(f"{size:,}" for size in sizes), "last / first"),
        [[name, *(_shown(name, costs[size][name]) for size in sizes), f"{ratios[name]:.2f} ×"] for name in ratios],
        f"Accept, claim and finish: server's CPU an event, in batches of {BATCH}. The others: time that passes."
        " Both ends of the ratio are measured by turns, each on a server of its own.",
    )
    backlog = {f"{name}|{size}": costs[size][name] for name in figures if name in ratios for size in sizes}
    # A quick run is too small to judge.
    return Result([table], {} if scale.quick else figures, {"backlog": backlog})


async def _measure(
    small_server: RedisServer, server: RedisServer, scale: Scale, sizes: tuple[int, ...]
) -> tuple[dict[int, Costs], Costs]:
    """Return the costs at each size, and how many times the first ones the last ones are."""
    costs: dict[int, Costs] = {}
    ratios: Costs = {}
    async with (
        connect(small_server.url, timeout=60, connections=8) as few,
        connect(server.url, timeout=60, connections=8) as many,
    ):
        small = Store(few, "ringback", PLAIN), small_server
        large = Store(many, "ringback", PLAIN), server
        await _fill(small[0], sizes[0])
        for before, size in pairwise((0, *sizes[1:])):
            await _fill(large[0], size - before)
            firsts, lasts = await _by_turns(small, large, scale)
            costs[sizes[0]], costs[size] = _medians(firsts), _medians(lasts)
            ratios = {
                name: median_ratio([each[name] for each in lasts], [each[name] for each in firsts])
                for name in costs[size]
            }
    return costs, ratios


async def _by_turns(small: Side, large: Side, scale: Scale) -> tuple[list[Costs], list[Costs]]:
    """Measure two servers by turns, now the one and now the other first. A turn before the others warms up."""
    firsts: list[Costs] = []
    lasts: list[Costs] = []
    for turn in range(1 + scale.rounds):
        for side, costs in ((small, firsts), (large, lasts)) if turn % 2 else ((large, lasts), (small, firsts)):
            costs.append(await _turn(*side, scale))
    return firsts[1:], lasts[1:]


def _medians(turns: list[Costs]) -> Costs:
    return {name: median(each[name] for each in turns) for name in turns[0]}


async def _turn(store: Store, server: RedisServer, scale: Scale) -> Costs:
    return {**await _life(store, server), **await _searches(store), "events list": _list(server, scale)}


async def _fill(store: Store, count: int) -> None:
    """Import open events, received over the last seven days. One of them names the rare number."""
    now = int(time.time() * 1000)
    pending = iter(range(0, count, STEP))

    async def fill() -> None:
        for start in pending:
            some = [_event(number, count, now) for number in range(start, min(count, start + STEP))]
            await import_events(store, some, run_them=True, keep=86_400.0)

    await asyncio.gather(*(fill() for _ in range(FILLING_AT_ONCE)))


def _event(number: int, count: int, now: int) -> ImportedEvent:
    event_id = str(uuid.uuid4())
    body = small(event_id) if number != count // 2 else _rare(event_id)
    age = DAYS * 86_400_000 * (count - number) // count
    return ImportedEvent(event_id, "bench.small", body, "imported", now - age, 1, {})


def _rare(event_id: str) -> bytes:
    return b'{"data":{"event_type":"bench.small","id":"%b","payload":{"to":"%b"}}}' % (event_id.encode(), RARE.encode())


async def _life(store: Store, redis: RedisServer) -> Costs:
    """Return the server's µs for an event's accept, claim and finish, and keep the size of the backlog."""
    turns: dict[str, list[float]] = {"accept": [], "claim": [], "finish": []}
    for _ in range(ROUNDS):
        for name, seconds in (await _one_life(store, redis)).items():
            turns[name].append(seconds / (BATCH * BATCHES) * 1e6)
    return {name: median(each) for name, each in turns.items()}


async def _one_life(store: Store, redis: RedisServer) -> Costs:
    arrivals = [NewEvent(each, "bench.small", small(each), "webhook") for each in fresh_ids(BATCH * BATCHES)]
    worker, leases = f"bench-{uuid.uuid4()}", []
    began = redis.cpu()
    for start in range(0, len(arrivals), BATCH):
        await accept(store, arrivals[start : start + BATCH])
    accepted = redis.cpu()
    for number in range(1, BATCHES + 1):
        request = ClaimRequest(worker, number, lease=60, limit=BATCH, routes={"no_op": ["*"]})
        leases.append((await claim(store, request)).leases)
    claimed = redis.cpu()
    for some in leases:
        done = {"no_op": HandlerRecord("done", attempts=1, ran=1)}
        await finish(store, [HandlerResults.of(each, done, release=True) for each in some])
    if sum(map(len, leases)) != len(arrivals):
        raise RuntimeError(f"{sum(map(len, leases))} of {len(arrivals)} events were claimed")
    return {"accept": accepted - began, "claim": claimed - accepted, "finish": redis.cpu() - claimed}


async def _searches(store: Store) -> Costs:
    """Return the ms that each kind of search takes."""
    wanted = {
        "newest": EventFilter(),
        "open, newest": EventFilter(state="open"),
        "dead": EventFilter(state="dead"),
        "one number": EventFilter(about=digests_of(RARE, PLAIN)),
    }
    return {
        f"search: {name}": await _milliseconds(lambda each=each: search(store, each, limit=50))  # type: ignore[misc]
        for name, each in wanted.items()
    }


async def _milliseconds(ask: Callable[[], Awaitable[object]]) -> float:
    turns = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        await ask()
        turns.append((time.perf_counter() - began) * 1e3)
    return median(turns)


def _list(redis: RedisServer, scale: Scale) -> float:
    """Return the ms of `ringback events list`, process and all."""
    began = time.perf_counter()
    subprocess.run(
        [*RINGBACK, "events", "list", "--json"],
        cwd=scale.folder,
        env=RINGBACK_STACK.environment(redis, scale),
        stdout=subprocess.DEVNULL,
        check=True,
    )
    return (time.perf_counter() - began) * 1e3


def _shown(name: str, cost: float) -> str:
    return f"{cost:.1f} µs" if name in ("accept", "claim", "finish") else f"{cost:,.1f} ms"
