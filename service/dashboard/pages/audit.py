"""The conservation of events, and the audit log: who changed or revealed what."""

import re

from service.dashboard.routes import Page
from service.dashboard.visit import View, Visit
from service.store.inbox.audit import totals
from service.store.operators.audit_log import audit_entries

SHOWN = 50
_ID = re.compile(r"[0-9]{1,19}-[0-9]{1,19}")
"""Redis takes two numbers of 64 bits."""


async def audit(visit: Visit) -> View:
    """Show the counters of one moment, and a page of the audit log."""
    before = visit.query("before")
    entries = await audit_entries(
        visit.store,
        before=before if _ID.fullmatch(before) else None,
        actor=visit.query("actor") or None,
        action=visit.query("action") or None,
        limit=SHOWN + 1,
    )
    counted = await totals(visit.store)
    data = {
        "totals": counted,
        "contradictions": counted.contradictions(),
        "entries": entries[:SHOWN],
        "next": entries[SHOWN - 1].id if len(entries) > SHOWN else None,
    }
    return View("audit", data, live=not before)


PAGES = (Page("/audit", audit),)
