"""The fleet of workers, and how long handlers wait and run."""

from service.dashboard.routes import Page
from service.dashboard.visit import View, Visit
from service.store.inbox.handler_times import merged, read_times
from service.store.inbox.maintenance import queue
from service.store.inbox.workers import read_workers


async def workers(visit: Visit) -> View:
    """Show who processes events, and how busy each is."""
    found = await read_workers(visit.store)
    window = "day" if visit.query("window") == "day" else "hour"
    spans = read_times(visit.store, span="hour", spans=24) if window == "day" else read_times(visit.store)
    times = sorted(merged(await spans).items(), key=lambda named: -named[1].run.total)
    data = {"workers": found, "queue": await queue(visit.store), "times": times, "window": window}
    return View("workers", data, live=True)


PAGES = (Page("/workers", workers),)
