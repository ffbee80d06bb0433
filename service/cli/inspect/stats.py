"""`ringback stats`."""

from typing import Annotated, Any

import typer

from service.cli.connections import with_redis
from service.cli.options import JsonOption
from service.cli.output import say, say_json
from service.cli.rich_output import print_table
from service.store.inbox.handler_times import BOUNDS, HandlerTimes, Histogram, merged, read_times
from service.store.inbox.rates import MINUTE, Rates, read_rates
from service.store.inbox.transfer import format_timestamp
from service.store.store import Store

HoursOption = Annotated[int, typer.Option("--hours", help="How many hours back.", min=1, max=24)]
SPANS = 60


def stats(*, hours: HoursOption = 1, as_json: JsonOption = False) -> None:
    """Show how many events come, end and die, and how long handlers wait and run.

    `pickup` is the wait of an event for a worker, from the moment when it is due. Times are upper bounds of buckets. A
    dead event that was retried or dropped counts no longer as dead.

    Exit codes: 0 shown, 1 Redis is unreachable, 2 bad usage.
    """
    rates, times = with_redis(lambda store: _read(store, hours))
    if as_json:
        say_json({"rates": [_rates(each) for each in rates], "handlers": {name: _times(each) for name, each in times}})
        return
    seconds = hours * 3600
    for name in ("accepted", "done", "dead"):
        number = sum(getattr(each, name) for each in rates)
        say(f"{name:<9}{number:>12,}  {number * 60 / seconds:,.1f} a minute")
    if times:
        columns = ("handler", "runs", "pickup p50", "p99", "run p50", "p99")
        print_table(columns, [_row(name, each) for name, each in times])


async def _read(store: Store, hours: int) -> tuple[list[Rates], list[tuple[str, HandlerTimes]]]:
    rates = await read_rates(store, length=hours * MINUTE, spans=SPANS)
    spans = await (read_times(store, spans=60) if hours == 1 else read_times(store, span="hour", spans=hours))
    return rates, sorted(merged(spans).items())


def _rates(rates: Rates) -> dict[str, Any]:
    return {"at": format_timestamp(rates.start), "accepted": rates.accepted, "done": rates.done, "dead": rates.dead}


def _times(times: HandlerTimes) -> dict[str, Any]:
    return {
        name: {"count": each.total, "p50_ms": each.quantile(0.5), "p99_ms": each.quantile(0.99)}
        for name, each in (("pickup", times.pickup), ("run", times.run))
    }


def _row(name: str, times: HandlerTimes) -> tuple[str, ...]:
    shown = (_bound(each, share) for each in (times.pickup, times.run) for share in (0.5, 0.99))
    return name, f"{times.run.total:,}", *shown


def _bound(histogram: Histogram, share: float) -> str:
    bound = histogram.quantile(share)
    if bound is None:
        return "-"
    beyond = "over " if bound == BOUNDS[-1] and histogram.counts[-1] else "≤ "
    return f"{beyond}{bound:,} ms" if bound < 1000 else f"{beyond}{bound / 1000:g} s"
