"""The names of the handlers that are deployed here."""

import asyncio
from functools import cache

from service.worker.load_router import CannotLoadHandlers, load_router


async def handler_names(import_string: str) -> frozenset[str]:
    """Return the names in `HANDLERS`, none where that cannot be loaded here."""
    return await asyncio.to_thread(_names, import_string)


@cache
def _names(import_string: str) -> frozenset[str]:
    try:
        return frozenset(load_router(import_string).subscriptions)
    except CannotLoadHandlers:
        return frozenset()
