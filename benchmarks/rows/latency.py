"""How soon after its request an event's handler starts, the busier the pipeline is."""

from benchmarks.figures import Result, Table, median
from benchmarks.open_loop import Latencies, measure, pipeline
from benchmarks.row import Scale
from benchmarks.stacks import ARQ_BEST, BARE, EVERY_SECOND, EXPRESS, RINGBACK_STACK, Stack, beside

RATES = (200, 1000, 2000, 4000)
SECONDS = 1.2
Found = dict[int, list[Latencies]]


def run(scale: Scale) -> Result:
    """Send events at rising rates to each stack, by turns."""
    stacks = [RINGBACK_STACK, EVERY_SECOND, *beside(scale.beside), BARE, EXPRESS, ARQ_BEST]
    found: dict[str, Found] = {stack.name: {rate: [] for rate in RATES} for stack in stacks if not stack.missing}
    for _ in range(min(2, scale.rounds)):
        for stack in stacks:
            if not stack.missing:
                _measure(stack, scale, found[stack.name])
    ours = found[RINGBACK_STACK.name]
    table = Table(
        "Latency over load: from a request to the start of its handler, p50 / p99 ms",
        ("", *(f"{rate:,}/s" for rate in RATES)),
        [_line(stack, found.get(stack.name)) for stack in stacks],
        "Open loop: request n leaves n/rate seconds after the start. ∞: not begun 3 s after the last request left.",
    )
    figures = {f"p{percent} at 1000": _median(ours[1000], percent) for percent in (50, 99)}
    series = {
        f"p{percent}": {
            f"{name}|{rate}": _median(each[rate], percent) for name, each in found.items() for rate in RATES
        }
        for percent in (50, 99)
    }
    return Result([table], figures, series)


def _measure(stack: Stack, scale: Scale, found: Found) -> None:
    with pipeline(stack, scale) as (_, receiver, worker):
        for rate in RATES:
            found[rate].append(measure(receiver, worker, rate=rate, seconds=0.1 if scale.quick else SECONDS))


def _median(turns: list[Latencies], percent: float) -> float:
    return median(each.milliseconds(percent) for each in turns)


def _line(stack: Stack, found: Found | None) -> list[str]:
    if found is None:
        return [stack.name, stack.missing, *[""] * (len(RATES) - 1)]
    return [stack.name, *(f"{_shown(found[rate], 50)} / {_shown(found[rate], 99)}" for rate in RATES)]


def _shown(turns: list[Latencies], percent: float) -> str:
    value = _median(turns, percent)
    return "∞" if value == float("inf") else f"{value:,.1f}"
