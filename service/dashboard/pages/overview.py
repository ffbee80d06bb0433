"""The first page: rates, queue, blocks and workers at a glance."""

from dataclasses import dataclass

from service.dashboard.event_rows import rows_of
from service.dashboard.routes import Page
from service.dashboard.visit import View, Visit
from service.store.effects.blocks import open_blocks
from service.store.inbox.audit import totals
from service.store.inbox.event_pages import event_page
from service.store.inbox.maintenance import memory, queue
from service.store.inbox.rates import read_rates
from service.store.inbox.search import EventFilter

SHOWN = 8
SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of time that charts show: so many bars of so many milliseconds."""

    name: str
    interval: int
    number: int


WINDOWS = {
    "hour": Window("the last hour, by minute", 60_000, 60),
    "day": Window("the last day, by half hour", 1_800_000, 48),
    "week": Window("the last week, by 4 hours", 14_400_000, 42),
}


async def overview(visit: Visit) -> View:
    """Show how the deployment is now."""
    store, window = visit.store, WINDOWS.get(visit.query("window"), WINDOWS["hour"])
    counted, queued = await totals(store), await queue(store)
    dead = await event_page(store, EventFilter(state="dead"), limit=SHOWN, seconds=SECONDS)
    data = {
        "counts": counted.counters,
        "difference": counted.difference,
        "queue": queued,
        "blocks": await open_blocks(store),
        "memory": await memory(store.redis),
        "rates": await read_rates(store, length=window.interval, spans=window.number),
        "window": window,
        "windows": WINDOWS,
        "dead": rows_of(dead.records),
        "dry_run": visit.settings.dry_run,
    }
    return View("overview", data, live=True)


PAGES = (Page("/", overview),)
