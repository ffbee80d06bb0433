"""The cost of order: a worker whose handler runs in order, beside one whose handler does not."""

from contextlib import ExitStack
from dataclasses import replace
from functools import partial

from benchmarks.figures import Result, Table, median, median_ratio
from benchmarks.redis_server import redis_server
from benchmarks.row import Scale
from benchmarks.rows import worker
from benchmarks.signed_events import MOST_NUMBERS, received
from benchmarks.stacks import RINGBACK_STACK, Stack, receiving

SIDES = {
    "without order, 1,000 numbers": ("", 1000),
    "by number, 1,000 numbers": ("1", 1000),
    "without order, a number each": ("", MOST_NUMBERS),
    "by number, a number each": ("1", MOST_NUMBERS),
}
EVENTS = 12_000
ROUNDS = 5
"""Turns of each side. One more before them warms up."""


def run(scale: Scale) -> Result:
    """Measure all by turns on one Redis. Each has a namespace, as other workers leave events in order alone."""
    stacks = [_stack(*each) for each in enumerate(SIDES)]
    turns = {each.name: worker.Turns() for each in stacks}
    with ExitStack() as running:
        redis = running.enter_context(redis_server(scale.folder))
        receivers = [(each, running.enter_context(receiving(each, redis, scale))) for each in stacks]
        for turn in range(1 if scale.quick else ROUNDS + 1):
            for stack, receiver in receivers if turn % 2 else reversed(receivers):
                count = worker.QUICK_EVENTS if scale.quick or turn == 0 else EVENTS
                noted = turns[stack.name] if turn or scale.quick else worker.Turns()
                make = partial(received, numbers=SIDES[stack.name][1])
                worker.measure(stack, receiver, redis, scale, count=count, turns=noted, make=make)
    return _result(turns)


def _stack(number: int, name: str) -> Stack:
    variables = {
        "HANDLERS": "benchmarks.ordered_handlers:router",
        "RINGBACK_NAMESPACE": f"order{number}",
        "BENCH_ORDERED": SIDES[name][0],
    }
    return replace(RINGBACK_STACK, name=name, variables={**RINGBACK_STACK.variables, **variables})


def _result(turns: dict[str, worker.Turns]) -> Result:
    lines, figures, plain = [], {}, worker.Turns()
    for name, each in turns.items():
        if SIDES[name][0]:
            figures[name] = median_ratio(each.rate, plain.rate)
        else:
            plain = each
        costs = (each.cpu, each.redis_cpu, each.accept_cpu)
        ratio = f"{median_ratio(each.rate, plain.rate):.2f}"
        lines.append([name, f"{median(each.rate):.0f}", ratio, *(f"{median(cost):.0f}" for cost in costs)])
    columns = ("handler", "events/s", "× without", "worker CPU µs", "Redis µs", "Redis µs to accept")
    return Result([Table("Order: no-op events from a full queue, turn by turn", columns, lines)], figures)
