"""How many webhooks one core takes, and what each costs, beside peers and beside verification alone."""

from contextlib import ExitStack
from dataclasses import dataclass, field

from benchmarks.figures import Result, Table, costs, median, median_ratio, percentile
from benchmarks.load import CONNECTIONS, send
from benchmarks.machine import cpu_seconds
from benchmarks.redis_server import RedisServer, redis_server
from benchmarks.row import Scale
from benchmarks.signed_events import fresh_ids, received, requests
from benchmarks.stacks import ARQ, EXPRESS, RINGBACK_STACK, VERIFICATION, Receiver, Stack, beside, receiving

MOST_RATE = 12_000
"""Requests a second that no server reaches: so many are signed beforehand."""


@dataclass
class Turns:
    """The measurements of one stack, turn by turn: CPU in µs a request, `p99` in ms."""

    rate: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    redis_cpu: list[float] = field(default_factory=list)
    load_cpu: list[float] = field(default_factory=list)
    p99: list[float] = field(default_factory=list)


def run(scale: Scale) -> Result:
    """Measure the stacks by turns on one Redis."""
    stacks = [RINGBACK_STACK, *beside(scale.beside), ARQ, EXPRESS, VERIFICATION]
    present = [stack for stack in stacks if not stack.missing]
    turns = {stack.name: Turns() for stack in present}
    with ExitStack() as running:
        redis = running.enter_context(redis_server(scale.folder))
        receivers = [(each, running.enter_context(receiving(each, redis, scale))) for each in present]
        for turn in range(scale.rounds + 1):
            pool = requests(fresh_ids(300 if scale.quick else int(MOST_RATE * scale.seconds)), received)
            for stack, receiver in receivers if turn % 2 else reversed(receivers):
                # The first turn warms up.
                measure(receiver, redis, pool, scale.seconds, Turns() if turn == 0 else turns[stack.name])
    return _result(stacks, turns)


def measure(receiver: Receiver, redis: RedisServer, pool: list[bytes], seconds: float, turns: Turns) -> None:
    """Load a receiver for some seconds.

    Raises:
        RuntimeError: a request was refused.
    """
    before = cpu_seconds(receiver.process.pid), redis.cpu()
    report = send(pool, receiver.port, seconds=seconds)
    if report.refused or not report.accepted:
        raise RuntimeError(f"{report.refused} of {report.accepted + report.refused} requests were refused")
    turns.rate.append(report.rate)
    turns.cpu.append((cpu_seconds(receiver.process.pid) - before[0]) / report.accepted * 1e6)
    turns.redis_cpu.append((redis.cpu() - before[1]) / report.accepted * 1e6)
    turns.load_cpu.append(report.cpu / report.accepted * 1e6)
    turns.p99.append(percentile(report.latencies, 99) * 1e3)


def _result(stacks: list[Stack], turns: dict[str, Turns]) -> Result:
    ours, naive, limit = turns[RINGBACK_STACK.name], turns[ARQ.name], turns[VERIFICATION.name]
    figures = {
        "throughput / naive": median_ratio(ours.rate, naive.rate),
        "throughput / limit": median_ratio(ours.rate, limit.rate),
        "cpu limit / cpu": median_ratio(limit.cpu, ours.cpu),
    }
    if express := turns.get(EXPRESS.name):
        figures["throughput / express"] = median_ratio(ours.rate, express.rate)
    lines = [_line(stack, turns.get(stack.name), ours) for stack in stacks]
    table = Table(
        f"Ingress: {CONNECTIONS} connections, one core, every event on disk before its 200",
        ("", "requests/s", "Ringback / it", "CPU µs", "Redis µs", "load µs", "p99 ms", "leaves out"),
        lines,
        "CPU is a request's. Redis and the load share the other core. The load is a process of its own.",
    )
    return Result([table], figures, {"throughput": {name: median(each.rate) for name, each in turns.items()}})


def _line(stack: Stack, turns: Turns | None, ours: Turns) -> list[str]:
    if turns is None:
        return [stack.name, stack.missing, *[""] * 5, stack.leaves_out]
    cells = costs(turns.rate, turns.cpu, turns.redis_cpu, ours=ours.rate)
    return [stack.name, *cells, f"{median(turns.load_cpu):.0f}", f"{median(turns.p99):.1f}", stack.leaves_out]
