"""All pages: one table, from which the routes are made and the tests take theirs."""

from service.dashboard.pages import (
    audit,
    blocks,
    event,
    event_actions,
    events,
    front,
    health,
    issues,
    jobs,
    messages,
    numbers,
    optouts,
    overview,
    registrations,
    workers,
)
from service.dashboard.routes import Page

_MODULES = (
    front,
    overview,
    events,
    event_actions,
    event,
    issues,
    jobs,
    numbers,
    messages,
    blocks,
    workers,
    registrations,
    optouts,
    health,
    audit,
)
PAGES: tuple[Page, ...] = tuple(page for module in _MODULES for page in module.PAGES)
