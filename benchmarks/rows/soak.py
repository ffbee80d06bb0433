"""A million events, and the memory of every process on the way. It runs where `--only` names it."""

import time
from contextlib import ExitStack

from benchmarks import handled
from benchmarks.figures import Result, Table
from benchmarks.load import send
from benchmarks.machine import memory
from benchmarks.processes import wait_for
from benchmarks.redis_server import redis_server
from benchmarks.row import Scale
from benchmarks.signed_events import fresh_ids, received, requests
from benchmarks.stacks import RINGBACK_STACK, receiving, working

EVENTS = 1_000_000
STEP = 50_000
LOOKS = 10
RETENTION = {"RINGBACK_RETENTION": "10m", "RINGBACK_BODY_RETENTION": "1m"}
"""Short, so that events are forgotten on the way."""


def run(scale: Scale) -> Result:
    """Accept and handle events step by step, and look at the memory of the processes some times."""
    events, step = (1000, 100) if scale.quick else (EVENTS, STEP)
    looks: list[tuple[int, float, float]] = []
    with ExitStack() as running:
        redis = running.enter_context(redis_server(scale.folder, core=None))
        receiver = running.enter_context(receiving(RINGBACK_STACK, redis, scale, core=None, **RETENTION))
        worker = running.enter_context(working(RINGBACK_STACK, redis, scale, core=None, **RETENTION))
        began = time.monotonic()
        for done in range(step, events + 1, step):
            send(requests(fresh_ids(step), received), receiver.port, core=None)
            wait_for(lambda done=done: handled.count(worker.file) >= done, worker.process, worker.log, seconds=600)  # type: ignore[misc]
            if done % (events // LOOKS) == 0:
                looks.append((done, memory(receiver.process.pid), memory(worker.process.pid)))
        rate = events / (time.monotonic() - began)
    table = Table(
        f"Soak: {events:,} events, {rate:,.0f} a second",
        ("events", "ingress MB", "worker MB"),
        [[f"{done:,}", f"{ingress:.0f}", f"{work:.0f}"] for done, ingress, work in looks],
    )
    growth = {"ingress growth": looks[-1][1] / looks[0][1], "worker growth": looks[-1][2] / looks[0][2]}
    return Result([table], growth)
