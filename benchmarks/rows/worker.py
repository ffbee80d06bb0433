"""How many no-op events one worker process handles, beside the workers of peers."""

import time
from contextlib import ExitStack
from dataclasses import dataclass, field

from benchmarks import handled
from benchmarks.figures import Result, Table, costs, median, median_ratio
from benchmarks.load import send
from benchmarks.processes import wait_for
from benchmarks.redis_server import RedisServer, redis_server
from benchmarks.row import Scale
from benchmarks.signed_events import Make, fresh_ids, received, requests
from benchmarks.stacks import (
    ARQ_BEST,
    CELERY,
    EXPRESS,
    RINGBACK_STACK,
    SAQ,
    Receiver,
    Stack,
    beside,
    receiving,
    working,
)

EVENTS = {EXPRESS.name: 12_000, ARQ_BEST.name: 4000, SAQ.name: 2000, CELERY.name: 1200}
"""So many that each worker has about two seconds of work."""
OUR_EVENTS = 8000
ONCE = (SAQ, CELERY)
"""No target names them, so that one turn does."""
QUICK_EVENTS = 200


@dataclass
class Turns:
    """The measurements of one worker, turn by turn: CPU in µs an event. `accept_cpu` is that of Redis before."""

    rate: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    redis_cpu: list[float] = field(default_factory=list)
    accept_cpu: list[float] = field(default_factory=list)


def run(scale: Scale) -> Result:
    """Fill each queue through its own receiver, then start its worker, by turns."""
    stacks = [RINGBACK_STACK, *beside(scale.beside), EXPRESS, ARQ_BEST, SAQ, CELERY]
    present = [stack for stack in stacks if not stack.missing]
    turns = {stack.name: Turns() for stack in present}
    with ExitStack() as running:
        redis = running.enter_context(redis_server(scale.folder))
        receivers = [(each, running.enter_context(receiving(each, redis, scale))) for each in present]
        for turn in range(scale.rounds):
            for stack, receiver in receivers:
                if turn > 0 and stack in ONCE:
                    continue
                count = QUICK_EVENTS if scale.quick else EVENTS.get(stack.name, OUR_EVENTS)
                measure(stack, receiver, redis, scale, count=count, turns=turns[stack.name])
    return _result(stacks, turns)


def measure(
    stack: Stack,
    receiver: Receiver,
    redis: RedisServer,
    scale: Scale,
    *,
    count: int,
    turns: Turns,
    make: Make = received,
) -> None:
    """Preload some events, and let a new worker handle them.

    Raises:
        Failed: it does not handle them all.
        RuntimeError: a request was refused, or an event was handled twice.
    """
    idle = redis.cpu()
    accepted = send(requests(fresh_ids(count), make), receiver.port).accepted
    before = redis.cpu()
    with working(stack, redis, scale) as worker:
        wait_for(lambda: handled.count(worker.file) >= count, worker.process, worker.log, seconds=120)
        noted = handled.read(worker.file)
        time.sleep(0.05)
        redis_cpu = redis.cpu() - before
    if accepted != count or len({each.event_id for each in noted}) != len(noted):
        raise RuntimeError(f"{stack.name} accepted {accepted} of {count} events, and handled {len(noted)}")
    turns.rate.append(handled.rate(noted))
    turns.cpu.append(handled.cpu_each(noted) * 1e6)
    turns.redis_cpu.append(redis_cpu / count * 1e6)
    turns.accept_cpu.append((before - idle) / count * 1e6)


def _result(stacks: list[Stack], turns: dict[str, Turns]) -> Result:
    ours = turns[RINGBACK_STACK.name]
    figures = {"rate / arq": median_ratio(ours.rate, turns[ARQ_BEST.name].rate)}
    if bullmq := turns.get(EXPRESS.name):
        figures["rate / bullmq"] = median_ratio(ours.rate, bullmq.rate)
    table = Table(
        "Worker: no-op events from a full queue, one process",
        ("", "events/s", "Ringback / it", "CPU µs", "Redis µs", "leaves out"),
        [_line(stack, turns.get(stack.name), ours) for stack in stacks],
        "The worker has a core, Redis the other. Each handler notes its event in a file, which costs the same few µs."
        " SAQ and Celery had one turn.",
    )
    return Result([table], figures, {"worker": {name: median(each.rate) for name, each in turns.items()}})


def _line(stack: Stack, turns: Turns | None, ours: Turns) -> list[str]:
    if turns is None:
        return [stack.name, stack.missing, *[""] * 3, stack.leaves_out]
    return [stack.name, *costs(turns.rate, turns.cpu, turns.redis_cpu, ours=ours.rate), stack.leaves_out]
