"""Supervision that lets the worker load the handlers again when a file of theirs is saved."""

import asyncio
import signal
from collections.abc import Sequence
from pathlib import Path

import structlog

from service.processes.supervisor import Child, Supervisor

WORKER = "worker"

log = structlog.get_logger(__name__)


async def supervise(stages: Sequence[Sequence[Child]], *, reloads: bool) -> int:
    """Supervise until asked to stop. Return the exit code. With `reloads` the worker gets SIGHUP after each change."""
    supervisor = Supervisor(stages)
    if not reloads:
        return await supervisor.run()
    watching = asyncio.create_task(_reload(supervisor))
    try:
        return await supervisor.run()
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)


async def _reload(supervisor: Supervisor) -> None:
    folder = Path.cwd()
    try:
        # The library is for developers alone, and the image need not start with it.
        from service.processes.file_watch import changes  # noqa: PLC0415

        async for changed in changes(folder):
            log.info("loading the handlers again", changed=changed)
            supervisor.signal(WORKER, signal.SIGHUP)
    except (ImportError, OSError) as error:
        log.warning("files are not watched: restart `ringback up` after a change", error=str(error))
