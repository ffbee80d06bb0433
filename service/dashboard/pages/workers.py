"""The fleet of workers, and how long handlers wait and run."""

from dataclasses import dataclass

from service.dashboard.rendering import bound
from service.dashboard.routes import Page
from service.dashboard.visit import View, Visit
from service.store.inbox.handler_times import BOUNDS, HandlerTimes, Histogram, SpanTimes, merged, read_times
from service.store.inbox.maintenance import queue
from service.store.inbox.workers import read_workers

NO_TIMES = HandlerTimes()


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bar of a histogram: its upper bound for people (None: there is none), and its count."""

    bound: str | None
    count: int


async def workers(visit: Visit) -> View:
    """Show who processes events, and how busy each is."""
    window = _window(visit)
    times = merged(await _spans(visit, window))
    data = {
        "workers": await read_workers(visit.store),
        "queue": await queue(visit.store),
        "times": sorted(times.items(), key=lambda named: -named[1].run.total),
        "all": _charts(sum(times.values(), NO_TIMES)),
        "window": window,
    }
    return View("workers", data, live=True)


async def handler(visit: Visit) -> View:
    """Show how long one handler waits and runs, and how often."""
    name, window = visit.request.path_params["handler"], _window(visit)
    spans = [each.handlers.get(name, NO_TIMES) for each in await _spans(visit, window)]
    data = {
        "handler": name,
        "window": window,
        "runs": [each.run.total for each in spans],
        "charts": _charts(sum(spans, NO_TIMES)),
    }
    return View("handler", data, live=True)


def _window(visit: Visit) -> str:
    return "day" if visit.query("window") == "day" else "hour"


async def _spans(visit: Visit, window: str) -> list[SpanTimes]:
    return await (read_times(visit.store, span="hour", spans=24) if window == "day" else read_times(visit.store))


def _charts(times: HandlerTimes) -> dict[str, list[Bucket]]:
    return {"pickup": _buckets(times.pickup), "run": _buckets(times.run)}


def _buckets(histogram: Histogram) -> list[Bucket]:
    return [Bucket(upper, count) for upper, count in zip((*map(bound, BOUNDS), None), histogram.counts, strict=True)]


PAGES = (Page("/workers", workers), Page("/handlers/{handler:path}", handler))
