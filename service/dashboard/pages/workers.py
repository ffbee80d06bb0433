"""The fleet of workers."""

from service.dashboard.routes import Page
from service.dashboard.visit import View, Visit
from service.store.inbox.maintenance import queue
from service.store.inbox.workers import read_workers


async def workers(visit: Visit) -> View:
    """Show who processes events, and how busy each is."""
    found = await read_workers(visit.store)
    return View("workers", {"workers": found, "queue": await queue(visit.store)}, live=True)


PAGES = (Page("/workers", workers),)
