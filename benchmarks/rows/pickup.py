"""How soon after its request an event's handler starts, where little happens."""

from benchmarks.figures import Result, Table
from benchmarks.open_loop import Latencies, measure, pipeline
from benchmarks.row import Scale
from benchmarks.stacks import ARQ, ARQ_BEST, BARE, EVERY_SECOND, EXPRESS, RINGBACK_STACK, Stack, beside

RATE = 25.0
SECONDS = 7.0


def run(scale: Scale) -> Result:
    """Send 25 events a second to each stack, by turns."""
    stacks = [RINGBACK_STACK, EVERY_SECOND, *beside(scale.beside), BARE, EXPRESS, ARQ_BEST, ARQ]
    found: dict[str, list[float]] = {stack.name: [] for stack in stacks if not stack.missing}
    for turn in range(min(2, scale.rounds)):
        for stack in stacks:
            # arq's own half second needs no second look.
            if not stack.missing and (stack is not ARQ or turn == 0):
                found[stack.name] += _measure(stack, scale).seconds
    latencies = {name: Latencies(each) for name, each in found.items()}
    ours = latencies[RINGBACK_STACK.name]
    table = Table(
        f"Pickup: from a request to the start of its handler, {RATE:g} events a second",
        ("", "p50 ms", "p99 ms", "events"),
        [_line(stack, latencies.get(stack.name)) for stack in stacks],
        f"Processes run on all cores. {BARE.name}: it {BARE.leaves_out}.",
    )
    return Result([table], {"p50": ours.milliseconds(50), "p99": ours.milliseconds(99)})


def _measure(stack: Stack, scale: Scale) -> Latencies:
    with pipeline(stack, scale) as (_, receiver, worker):
        return measure(receiver, worker, rate=RATE, seconds=1.0 if scale.quick else SECONDS)


def _line(stack: Stack, latencies: Latencies | None) -> list[str]:
    if latencies is None:
        return [stack.name, stack.missing, "", ""]
    percentiles = (f"{latencies.milliseconds(percent):,.1f}" for percent in (50, 99))
    return [stack.name, *percentiles, str(len(latencies.seconds))]
