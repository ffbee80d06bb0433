"""Maintenance of the inbox: done by one worker at a time, beside its events and never behind the queue."""

import asyncio
import logging
import shlex
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeVar

import structlog
from redis.exceptions import RedisError

from service.monitoring.notifications import notify
from service.security.masking import describe_error
from service.settings import Settings
from service.store.effects.blocks import Block, probe, release
from service.store.facts.consent import move_opt_outs
from service.store.inbox import dead_letters
from service.store.inbox.dead_letters import DeadCause, new_causes
from service.store.inbox.erasure import erase_ended
from service.store.inbox.maintenance import ENOUGH, STEP, MaintenanceDue, due, expire, memory_share, prune_bodies, sweep
from service.store.operators.bulk_jobs import Job
from service.store.operators.job_runner import carry_out, due_job
from service.store.redis_errors import describe_cause
from service.store.scripts import is_script_error
from service.store.store import Store, check_cancelled
from service.worker.arq_compat import FOREIGN_HANDLER
from service.worker.readiness import BlockMetrics

log = structlog.get_logger(__name__)
T = TypeVar("T")

PAUSE = 1.0
"""Seconds until the next look, where something is due, parked or short."""
IDLE_PAUSE = 2.0
"""Seconds until the next look, where nothing is."""
HOUR = 3600.0
LOCK = 10.0
MAX_STEPS = 100
"""Steps of one kind in a row, before the others have their turn."""
MAX_DEAD_STEPS = 20
ROOM_AGAIN = 0.7
"""Share below which the next shortage is logged anew."""
EARLY_RETENTION = 48 * HOUR
"""Seconds that ended events are remembered even where memory is short. Telnyx repeats none by then."""
_SHORTAGES = (
    "Redis is nearly full: bodies of ended events go before RINGBACK_BODY_RETENTION is over",
    "Redis is nearly full: ended events older than 48 hours are forgotten before RINGBACK_RETENTION",
    "Redis is nearly full, and nothing is left to remove: once it is full, webhooks are refused with 503",
)
"""The measures against a shortage of memory, the mildest first."""
_MORE_ROOM = "raise RINGBACK_MAX_MEMORY, or the maxmemory of the Redis at REDIS_URL (docs/deploy.md, Memory)"


@dataclass
class Maintenance:
    """The steps of maintenance: one script says which are due. `notices_due` is set when notifications are."""

    settings: Settings
    store: Store
    worker: str
    metrics: BlockMetrics = field(default_factory=BlockMetrics)
    notices_due: asyncio.Event = field(default_factory=asyncio.Event)
    _rank: int = 0
    _has_probed: bool = False
    _moves_at: float = 0.0
    _waits: bool = False
    _shortage: int = -1
    _failures: dict[str, str] = field(default_factory=dict)
    _job: "asyncio.Task[Job | None] | None" = None

    async def run_forever(self) -> None:
        """Take the steps until cancelled. An outage of Redis is waited out."""
        try:
            while True:
                is_idle = await self.run_once()
                check_cancelled()
                await asyncio.sleep(IDLE_PAUSE if is_idle else PAUSE)
        finally:
            if self._job is not None:
                self._job.cancel()
                await asyncio.gather(self._job, return_exceptions=True)

    async def run_once(self) -> bool:
        """Take each due step that is this worker's to take. One that fails hinders none of the others.

        Return whether there was nothing to do, and nothing is parked or short.
        """
        self._waits = False
        found = await self._attempt("look", self._look)
        if found is None:
            return False
        self.metrics.show(found.blocks)
        if "notify" in found.steps:
            self.notices_due.set()
        await self._attempt("probe_at_start", lambda: self._probe_at_start(found.blocks))
        if found.is_ours:
            await self._take_steps(found)
            self._rank = self._rank + found.looked_at if found.looked_at else 0
        return not (found.steps or found.blocks or found.memory_share >= ROOM_AGAIN)

    async def _look(self) -> MaintenanceDue:
        settings = self.settings
        return await due(
            self.store,
            self.worker,
            lock=LOCK,
            retention=settings.retention,
            dead_retention=settings.dead_retention,
            body_retention=settings.body_retention,
            first=self._rank,
        )

    async def _take_steps(self, found: MaintenanceDue) -> None:
        for name, step in self._steps().items():
            if name in found.steps:
                await self._attempt(name, step)
        if found.memory_share < ROOM_AGAIN:
            self._shortage = -1
        if found.memory_share >= ENOUGH:
            await self._attempt("make_room", self._make_room)
        if time.monotonic() >= self._moves_at:
            await self._attempt("move_opt_outs", self._move_opt_outs)

    def _steps(self) -> dict[str, Callable[[], Awaitable[object]]]:
        """Return the steps by the names that `maintenance_due` gives them, the most urgent first."""
        store, settings = self.store, self.settings
        ages = {"retention": settings.retention, "dead_retention": settings.dead_retention}
        return {
            "probe": lambda: probe(store),
            "release": lambda: _repeat(lambda: release(store), least=1),
            "forget": lambda: _repeat(lambda: expire(store, **ages), least=STEP),
            "prune": lambda: _repeat(lambda: prune_bodies(store, older_than=settings.body_retention), least=STEP),
            "sweep": self._sweep,
            "log_dead": lambda: log_dead(store),
            "erase_ended": lambda: erase_ended(store),
            "jobs": self._take_job,
        }

    async def _attempt(self, name: str, step: Callable[[], Awaitable[T]]) -> T | None:
        """Take one step and return its answer. Log a failure once, until it succeeds or fails otherwise."""
        try:
            answer = await step()
        except Exception as error:  # noqa: BLE001 - one bad record or bug must not end the maintenance of all others
            self._log_failure(name, error)
            return None
        self._failures.pop(name, None)
        return answer

    def _log_failure(self, name: str, error: Exception) -> None:
        if isinstance(error, (RedisError, OSError)) and not is_script_error(error):
            if not self._waits:
                log.warning("maintenance waits for Redis", step=name, error=describe_cause(error))
            self._waits = True
        elif self._failures.get(name) != describe_error(error):
            self._failures[name] = describe_error(error)
            log.error("a step of the maintenance fails, the others go on", step=name, error=describe_error(error))

    async def _probe_at_start(self, blocks: list[Block]) -> None:
        """Probe each block at once: a new start is how most blocks of the account are lifted."""
        if self._has_probed:
            return
        for block in blocks:
            log.warning("work was parked before this start", block=block.name, events=block.parked, advice=block.advice)
        await probe(self.store, at_once=True)
        self._has_probed = True

    async def _make_room(self) -> None:
        early = min(EARLY_RETENTION, self.settings.retention)
        for _ in range(MAX_STEPS):
            if await memory_share(self.store.redis) < ENOUGH:
                return
            if await prune_bodies(self.store, older_than=0):
                await self._report_shortage(0)
            # Dead events stay, since they wait for a person.
            elif await expire(self.store, retention=early, dead_retention=self.settings.dead_retention):
                await self._report_shortage(1)
            else:
                await self._report_shortage(2)
                return

    async def _report_shortage(self, level: int) -> None:
        """Report each level once, until there is room again."""
        if level <= self._shortage:
            return
        self._shortage, text = level, _SHORTAGES[level]
        log.log(logging.ERROR if text is _SHORTAGES[-1] else logging.WARNING, text, next=_MORE_ROOM)
        await notify(self.store, cause="Redis is nearly full", text=text, mend="ringback doctor")

    async def _move_opt_outs(self) -> None:
        """Keep opt-outs under the first encryption key, so that another one can be taken away."""
        moved = await move_opt_outs(self.store)
        self._moves_at = time.monotonic() + HOUR
        if moved:
            log.info("opt-outs moved to the first encryption key", number=moved)

    async def _take_job(self) -> None:
        """Carry out a bulk job whose process has ended, beside the other steps."""
        if self._job is not None and not self._job.done():
            return
        job = await due_job(self.store)
        if job is not None:
            log.info("a worker goes on with a bulk job", job=job)
            self._job = asyncio.create_task(self._attempt("jobs", lambda: carry_out(self.store, job)))

    async def _sweep(self) -> None:
        put_back = await sweep(self.store, first=self._rank)
        if put_back:
            log.error("open events were missing from the queue and are back", number=put_back)


async def _repeat(step: Callable[[], Awaitable[int]], *, least: int) -> None:
    """Repeat a step until it changes fewer than `least`, or the others have to have their turn."""
    for _ in range(MAX_STEPS):
        if await step() < least:
            return


async def log_dead(store: Store) -> None:
    """Log why events went dead since the last call of any worker: a line per cause and hour."""
    for _ in range(MAX_DEAD_STEPS):
        looked_at, causes = await new_causes(store, remember=HOUR)
        for cause in causes:
            log.error(
                "events go dead: logged once an hour for each cause",
                handler=cause.handler,
                reason=cause.reason,
                first=cause.event_id,
                look=_command("events show", cause.event_id),
                retry=_retry(cause),
            )
        if looked_at < dead_letters.STEP:
            return


def _retry(cause: DeadCause) -> str:
    """Return the command that lets them run again, once the error is fixed."""
    if cause.handler == FOREIGN_HANDLER:
        return _command("dead drop", cause.event_id)
    if cause.reason == "ambiguous":
        return _command("dead retry", cause.event_id) + " --sent (or --not-sent)"
    reason = ("--reason", cause.reason) if cause.reason else ()
    return _command("dead retry", "--handler", cause.handler, *reason)


def _command(command: str, *arguments: str) -> str:
    return f"ringback {command} {shlex.join(arguments)}"
