"""The server's cost of an event: its accept alone, and its whole life with a no-op handler."""

import time
from contextlib import ExitStack
from typing import Any

from benchmarks import handled
from benchmarks.figures import Result, Table, median
from benchmarks.load import send
from benchmarks.processes import wait_for
from benchmarks.redis_server import RedisServer, redis_server
from benchmarks.row import Scale
from benchmarks.signed_events import Make, finalized, fresh_ids, received, requests
from benchmarks.stacks import RINGBACK_STACK, receiving, working

EVENTS = 3000
ASKED = [f"cmdstat_{name}" for name in ("evalsha", "eval", "fcall", "blpop", "brpop", "blmove", "bzpopmin")]
KINDS: dict[str, Make] = {"message.received": received, "message.finalized": finalized}


def run(scale: Scale) -> Result:
    """Accept some thousand events of each kind, then let a worker handle them, in some rounds."""
    count = 200 if scale.quick else EVENTS
    accepts: dict[str, list[float]] = {name: [] for name in KINDS}
    lives: dict[str, list[float]] = {name: [] for name in KINDS}
    asked: list[float] = []
    for _ in range(min(2, scale.rounds)):
        for name, make in KINDS.items():
            accept, rest, requests_each = _measure(scale, make, count)
            accepts[name].append(accept)
            lives[name].append(accept + rest)
            asked.append(requests_each)
    figures = {f"accept {name}": median(each) for name, each in accepts.items()}
    figures |= {"whole event": median(lives["message.received"]), "worker requests": median(asked)}
    table = Table(
        "Server: CPU an event (64 connections, one no-op handler, no encryption, every write on disk)",
        ("", "accept µs", "whole event µs", "events/s that fill its core"),
        [_line(name, median(accepts[name]), median(lives[name])) for name in KINDS],
        "All that the server ran, fsync and sockets too. It runs scripts on one core, so that is its ceiling."
        f" The worker sent {median(asked):.2f} requests an event.",
    )
    return Result([table], figures)


def _line(name: str, accept: float, life: float) -> list[str]:
    return [name, f"{accept:.1f}", f"{life:.1f}", f"{1e6 / life:,.0f}"]


def _measure(scale: Scale, make: Make, count: int) -> tuple[float, float, float]:
    """Return the µs of an accept, those of all that follows, and the worker's requests an event."""
    with ExitStack() as running:
        redis = running.enter_context(redis_server(scale.folder))
        with receiving(RINGBACK_STACK, redis, scale) as receiver:
            pool = requests(fresh_ids(count), make)
            send(pool[: count // 10], receiver.port)
            before = redis.cpu()
            report = send(pool[count // 10 :], receiver.port)
            accepted = redis.cpu() - before
        before, asked = redis.cpu(), _requests(redis)
        worker = running.enter_context(working(RINGBACK_STACK, redis, scale))
        wait_for(lambda: handled.count(worker.file) >= count, worker.process, worker.log, seconds=120)
        time.sleep(0.1)
        after = redis.cpu() - before
        return accepted / report.accepted * 1e6, after / count * 1e6, (_requests(redis) - asked) / count


def _requests(redis: RedisServer) -> int:
    """Return how many scripts and waits clients have sent so far: commands that no script can run itself."""
    with redis.client() as client:
        stats: Any = client.info("commandstats")
    return sum(stats[name]["calls"] for name in ASKED if name in stats)
