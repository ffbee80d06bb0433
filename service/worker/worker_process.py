"""The process of a worker: its event loop, from the settings to its end."""

import asyncio
import logging
import os
from collections.abc import Callable

import structlog

from service.healing.healer import healing
from service.messages.opt_out_list import reading_opt_outs
from service.messages.policy_file import policy_of
from service.monitoring.logs import tell_no_texts
from service.processes.garbage_collection import collect_rarely
from service.processes.signals import ignore_signals
from service.routing import Router
from service.settings import Settings
from service.store.connection import locate
from service.worker.load_router import load_router
from service.worker.worker import STOP_TIMEOUT, Worker

log = structlog.get_logger(__name__)


async def run(settings: Settings, router: Router, redis_url: str) -> None:
    """Work until SIGTERM or SIGINT: then no new work, and what runs is finished or handed back within the grace."""
    tell_no_texts()
    worker = Worker(settings, router, redis_url)
    try:
        async with (
            reading_opt_outs(settings, redis_url),
            healing(settings, redis_url, worker.redis_returned, router.periodic),
        ):
            await worker.async_run()
    except asyncio.CancelledError:
        log.info("worker stopped")
    finally:
        await worker.close()
        await _end_all_tasks()


async def _end_all_tasks() -> None:
    """End the process where a handler ignores its cancellation: the loop would wait for it for ever."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    if others:
        _, stubborn = await asyncio.wait(others, timeout=STOP_TIMEOUT)
        if stubborn:
            log.error("ending in spite of handlers that ignore their cancellation", number=len(stubborn))
            logging.shutdown()
            os._exit(0)


def work(settings: Settings) -> None:
    """Load the handlers and run a worker on an event loop of its own, until a signal ends it.

    Raises:
        InvalidSettings: `TELNYX_API_KEY` is not set, or `RINGBACK_POLICY` does not fit.
        CannotLoadHandlers: `HANDLERS` names no router that can be loaded.
        NotRunning: `REDIS_URL` is unset and no embedded server answers.
    """
    settings.require_api_key()
    policy_of(settings.policy, settings.sms_from)
    router = load_router(settings.handlers)
    redis_url = locate(settings)
    collect_rarely()
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(_run_to_the_end(settings, router, redis_url))


async def _run_to_the_end(settings: Settings, router: Router, redis_url: str) -> None:
    try:
        await run(settings, router, redis_url)
    finally:
        ignore_signals()


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return uvloop's factory, where this machine has it."""
    try:
        import uvloop  # noqa: PLC0415 - not on Windows
    except ImportError:
        return None
    return uvloop.new_event_loop
