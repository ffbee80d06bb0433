"""All pages: one table, from which the routes are made and the tests take theirs."""

from service.dashboard.pages import (
    audit,
    blocks,
    event,
    event_actions,
    events,
    front,
    health,
    numbers,
    optouts,
    overview,
    registrations,
)
from service.dashboard.routes import Page

_MODULES = (
    front,
    overview,
    events,
    event_actions,
    event,
    numbers,
    blocks,
    registrations,
    optouts,
    health,
    audit,
)
PAGES: tuple[Page, ...] = tuple(page for module in _MODULES for page in module.PAGES)
