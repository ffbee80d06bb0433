"""The list of events, with its filters in the URL."""

from service.dashboard.event_filter import FIELDS, filter_of
from service.dashboard.event_rows import rows_of
from service.dashboard.routes import Page
from service.dashboard.visit import View, Visit
from service.security.masking import mask_number
from service.store.inbox.event_pages import EventPage, event_page
from service.store.place import Place

SHOWN = 50
SECONDS = 0.04
"""Time for one page: where little matches, it ends and offers to look further back."""


async def events(visit: Visit) -> View:
    """Show events, the newest first."""
    chosen = await filter_of(visit, visit.request.query_params)
    after = Place.parse(visit.query("after"))
    page = EventPage([], None, 0)
    if not chosen.wrong:
        issue = chosen.given.get("issue")
        page = await event_page(visit.store, chosen.wanted, limit=SHOWN, seconds=SECONDS, after=after, issue=issue)
    data = {
        "rows": rows_of(page.records),
        "next": page.next,
        "looked_at": page.looked_at,
        "is_full": len(page.records) >= SHOWN,
        "chosen": {name: chosen.given.get(name, "") for name in FIELDS},
        "is_filtered": chosen.is_narrowed,
        "wrong": chosen.wrong,
        "number": None if chosen.number is None else mask_number(chosen.number),
        "after": after,
    }
    return View("events", data, live=after is None)


PAGES = (Page("/events", events),)
