"""The whole pipeline while its receiver takes all that it can, and the CPU of each part."""

from dataclasses import dataclass, field

from benchmarks import handled
from benchmarks.figures import Result, Table, median
from benchmarks.load import CONNECTIONS, send
from benchmarks.machine import cpu_seconds
from benchmarks.open_loop import pipeline
from benchmarks.row import Scale
from benchmarks.signed_events import fresh_ids, received, requests
from benchmarks.stacks import ARQ_BEST, EXPRESS, RINGBACK_STACK, Stack, beside

MOST_RATE = 10_000
SECONDS = 3.0
PARTS = ("receiver", "worker", "Redis")


@dataclass
class Turns:
    """The measurements of one stack, turn by turn: events a second, the handled share, and CPU by part in µs."""

    accepted: list[float] = field(default_factory=list)
    handled: list[float] = field(default_factory=list)
    share: list[float] = field(default_factory=list)
    cpu: dict[str, list[float]] = field(default_factory=lambda: {part: [] for part in PARTS})


def run(scale: Scale) -> Result:
    """Load each pipeline for some seconds, by turns."""
    stacks = [RINGBACK_STACK, *beside(scale.beside), EXPRESS, ARQ_BEST]
    turns = {stack.name: Turns() for stack in stacks if not stack.missing}
    for _ in range(min(2, scale.rounds)):
        for stack in stacks:
            if not stack.missing:
                _measure(stack, scale, turns[stack.name])
    table = Table(
        f"Saturated pipeline: {CONNECTIONS} connections, receiver, worker, Redis and load on all cores",
        ("", "accepted/s", "handled/s", "handled / accepted", *(f"{part} CPU µs" for part in PARTS)),
        [_line(stack, turns.get(stack.name)) for stack in stacks],
        "Counted at the end of the load, before a backlog drains. CPU is of one event, accepted or handled.",
    )
    shares = {f"{name}|{part}": median(each.cpu[part]) for name, each in turns.items() for part in PARTS}
    return Result([table], {"handled / accepted": median(turns[RINGBACK_STACK.name].share)}, {"cpu": shares})


def _measure(stack: Stack, scale: Scale, turns: Turns) -> None:
    seconds = 0.5 if scale.quick else SECONDS
    pool = requests(fresh_ids(300 if scale.quick else int(MOST_RATE * seconds)), received)
    with pipeline(stack, scale) as (redis, receiver, worker):
        before, done = (receiver.process.pid, worker.process.pid, redis.pid), handled.count(worker.file)
        cpu = [cpu_seconds(pid) for pid in before]
        report = send(pool, receiver.port, seconds=seconds, core=None)
        count = handled.count(worker.file) - done
        used = [cpu_seconds(pid) - earlier for pid, earlier in zip(before, cpu, strict=True)]
    turns.accepted.append(report.rate)
    turns.handled.append(count / report.seconds)
    turns.share.append(min(1.0, count / report.accepted))
    for part, seconds_used, events in zip(PARTS, used, (report.accepted, count, report.accepted), strict=True):
        turns.cpu[part].append(seconds_used / max(1, events) * 1e6)


def _line(stack: Stack, turns: Turns | None) -> list[str]:
    if turns is None:
        return [stack.name, stack.missing, *[""] * (2 + len(PARTS))]
    rates = (f"{median(each):,.0f}" for each in (turns.accepted, turns.handled))
    return [stack.name, *rates, f"{median(turns.share):.2f}", *(f"{median(turns.cpu[part]):.0f}" for part in PARTS)]
