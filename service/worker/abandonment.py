"""Abandonment: `ringback up` was killed, and its server ended with it.

No result can be recorded then, since nobody starts that server again while this process has the data folder. The
events that run are repeated after their leases, as after a `kill -9` of this process. The ledger has each effect that
they began.
"""

import asyncio

from service.processes.parent_death import has_lost_supervisor
from service.settings import Settings
from service.store.connection import is_server_gone

LOOK = 0.1
"""Seconds between looks. Nothing signals the end of a server that is no child of this process."""


async def abandonment(settings: Settings) -> None:
    """Wait until this process is abandoned."""
    while not await asyncio.to_thread(_is_abandoned, settings):  # noqa: ASYNC110 - nobody signals that end
        await asyncio.sleep(LOOK)


def _is_abandoned(settings: Settings) -> bool:
    return has_lost_supervisor() and is_server_gone(settings)
