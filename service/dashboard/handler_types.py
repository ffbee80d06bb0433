"""The handlers that are deployed here, and their event types."""

import asyncio
from collections.abc import Mapping
from functools import cache

from service.routing import Router
from service.settings import Settings
from service.worker.load_router import CannotLoadHandlers, load_router, subscribed_types


async def handler_types(settings: Settings) -> Mapping[str, tuple[str, ...]]:
    """Return the event types of each handler in `HANDLERS`. There is none where that cannot be loaded here."""
    try:
        router = await asyncio.to_thread(_router, settings.handlers)
    except CannotLoadHandlers:
        return {}
    return subscribed_types(router, settings)


@cache
def _router(import_string: str) -> Router:
    # A failure is raised, so that it is not kept: the next page tries again.
    return load_router(import_string)
