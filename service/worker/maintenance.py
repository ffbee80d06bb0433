"""The upkeep of the inbox: done by one worker at a time, beside its events and never behind the queue."""

import asyncio
import logging
import shlex
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import IntEnum

import structlog
from redis.exceptions import RedisError

from service.monitoring.notifications import notify
from service.security.masking import describe_error
from service.settings import Settings
from service.store.cancellation import check_cancelled
from service.store.effects.blocks import open_causes, probe, release
from service.store.facts.consent import move_opt_outs
from service.store.inbox import dead_letters
from service.store.inbox.dead_letters import DeadCause, new_causes
from service.store.inbox.erasure import erase_ended
from service.store.inbox.retention import STEP, expire, memory_share, prune_bodies, sweep, take_lock
from service.store.memory_forecast import ENOUGH
from service.store.redis_errors import describe_cause
from service.store.scripts import is_script_error
from service.store.store import Store
from service.worker.arq_compat import FOREIGN_HANDLER
from service.worker.readiness import CauseMetrics

log = structlog.get_logger(__name__)


PAUSE = 1.0
HOUR = 3600.0
LOCK = 10.0
MOST_STEPS = 100
"""Steps of one kind in a row, before the others have their turn."""

MOST_DEAD_STEPS = 20
ROOM_AGAIN = 0.7
"""Share below which the next shortage is told of anew."""
EARLY_RETENTION = 48 * HOUR
"""Seconds that ended events are remembered even where memory is short: Telnyx has given up repeating them by then."""


class _Memory(IntEnum):
    """The measures against a shortage of memory, the mildest first."""

    ROOM = 0
    BODIES = 1
    RECORDS = 2
    NOTHING_LEFT = 3


_MEMORY_WORDS = {
    _Memory.BODIES: "Redis is nearly full: bodies of ended events go before RINGBACK_BODY_RETENTION is over",
    _Memory.RECORDS: "Redis is nearly full: ended events older than 48 hours are forgotten before RINGBACK_RETENTION",
    _Memory.NOTHING_LEFT: "Redis is nearly full, and nothing is left to let go of: once it is full, webhooks are"
    " refused with 503",
}
_MORE_ROOM = "raise RINGBACK_MAX_MEMORY, or the maxmemory of the Redis at REDIS_URL; see docs/deploy.md, Memory"


@dataclass
class Upkeep:
    """Forgets and mends, a little every second."""

    settings: Settings
    store: Store
    worker: str
    metrics: CauseMetrics = field(default_factory=CauseMetrics)
    _rank: int = 0
    _has_probed: bool = False
    _moves_at: float = 0.0
    _waits: bool = False
    _memory_told: "_Memory" = field(default_factory=lambda: _Memory.ROOM)
    _failures: dict[str, str] = field(default_factory=dict)

    async def keep_up(self) -> None:
        """Go on until cancelled; an outage of Redis is waited out."""
        while True:
            await self.turn()
            check_cancelled()
            await asyncio.sleep(PAUSE)

    async def turn(self) -> None:
        """Take each step that is this worker's to take; one that fails hinders none of the others."""
        self._waits = False
        await self._take(self._probe_at_start)
        await self._take(self._show_causes)
        if await self._take(self._lock):
            for step in self._steps():
                await self._take(step)

    def _steps(self) -> tuple[Callable[[], Awaitable[object]], ...]:
        """The steps of the worker that has the lock, the most urgent first."""
        return (
            self._probe,
            self._release,
            self._forget,
            self._let_go,
            self._make_room,
            self._sweep,
            self._tell_of_dead,
            self._move_opt_outs,
            self._erase_ended,
        )

    async def _take(self, step: Callable[[], Awaitable[object]]) -> object:
        """Take one step and return its answer; one that fails is logged once, until it succeeds or fails otherwise."""
        name = step.__name__.strip("_")
        try:
            answer = await step()
        except Exception as error:  # noqa: BLE001 - one bad record or bug must not end the upkeep of all others
            self._log_failure(name, error)
            return None
        self._failures.pop(name, None)
        return answer

    def _log_failure(self, name: str, error: Exception) -> None:
        if isinstance(error, (RedisError, OSError)) and not is_script_error(error):
            if not self._waits:
                log.warning("upkeep waits for Redis", step=name, error=describe_cause(error))
            self._waits = True
        elif self._failures.get(name) != describe_error(error):
            self._failures[name] = describe_error(error)
            log.error("a step of the upkeep fails, the others go on", step=name, error=describe_error(error))

    async def _lock(self) -> bool:
        return await take_lock(self.store, self.worker, seconds=LOCK)

    async def _show_causes(self) -> None:
        self.metrics.show(await open_causes(self.store))

    async def _probe(self) -> None:
        await probe(self.store)

    async def _tell_of_dead(self) -> None:
        await tell_of_dead(self.store)

    async def _erase_ended(self) -> None:
        await erase_ended(self.store)

    async def _probe_at_start(self) -> None:
        """Look at once whether what is parked can go on: a new start is how most causes of the account are mended."""
        if self._has_probed:
            return
        for cause in await open_causes(self.store):
            describe_error = {"cause": cause.name, "events": cause.parked, "advice": cause.advice}
            log.warning("work was parked before this start", **describe_error)
        await probe(self.store, at_once=True)
        self._has_probed = True

    async def _release(self) -> None:
        """Set free what lifted causes held, until enough is due."""
        for _ in range(MOST_STEPS):
            if await release(self.store) == 0:
                return

    async def _forget(self) -> None:
        retention, dead_retention = self.settings.retention, self.settings.dead_retention
        for _ in range(MOST_STEPS):
            if await expire(self.store, retention=retention, dead_retention=dead_retention) < STEP:
                return

    async def _let_go(self) -> None:
        for _ in range(MOST_STEPS):
            if await prune_bodies(self.store, older_than=self.settings.body_retention) < STEP:
                return

    async def _make_room(self) -> None:
        for _ in range(MOST_STEPS):
            share = await memory_share(self.store.redis)
            if share < ROOM_AGAIN:
                self._memory_told = _Memory.ROOM
            if share < ENOUGH:
                return
            if await prune_bodies(self.store, older_than=0):
                await self._tell_of_memory(_Memory.BODIES)
            elif await self._forget_early():
                await self._tell_of_memory(_Memory.RECORDS)
            else:
                await self._tell_of_memory(_Memory.NOTHING_LEFT)
                return

    async def _forget_early(self) -> int:
        """Forget ended events before their retention is over; dead ones stay, since they wait for a person."""
        retention = min(EARLY_RETENTION, self.settings.retention)
        return await expire(self.store, retention=retention, dead_retention=self.settings.dead_retention)

    async def _tell_of_memory(self, level: "_Memory") -> None:
        """Tell of each level once, until there is room again."""
        if level <= self._memory_told:
            return
        self._memory_told = level
        log.log(
            logging.ERROR if level is _Memory.NOTHING_LEFT else logging.WARNING, _MEMORY_WORDS[level], next=_MORE_ROOM
        )
        await notify(self.store, cause="Redis is nearly full", text=_MEMORY_WORDS[level], mend="ringback doctor")

    async def _move_opt_outs(self) -> None:
        """Keep opt-outs under the first encryption key, so that another one can be taken away."""
        if time.monotonic() < self._moves_at:
            return
        moved = await move_opt_outs(self.store)
        self._moves_at = time.monotonic() + HOUR
        if moved:
            log.info("opt-outs moved to the first encryption key", number=moved)

    async def _sweep(self) -> None:
        swept = await sweep(self.store, first=self._rank)
        self._rank = self._rank + swept.looked_at if swept.looked_at else 0
        if swept.put_back:
            log.error("open events were missing from the queue and are back", number=swept.put_back)


async def tell_of_dead(store: Store) -> None:
    """Log what killed events since this was last called, by whichever worker."""
    for _ in range(MOST_DEAD_STEPS):
        looked_at, causes = await new_causes(store, remember=HOUR)
        for cause in causes:
            _tell(cause)
        if looked_at < dead_letters.STEP:
            return


def _tell(cause: DeadCause) -> None:
    log.error(
        "events go dead: told once an hour for each cause",
        handler=cause.handler,
        reason=cause.reason,
        first=cause.event_id,
        look=_command("events show", cause.event_id),
        retry=_retry(cause),
    )


def _retry(cause: DeadCause) -> str:
    """The command that lets them run again, once what its error names is mended."""
    if cause.handler == FOREIGN_HANDLER:
        return _command("dead drop", cause.event_id)
    if cause.reason == "ambiguous":
        return _command("dead retry", cause.event_id) + " --sent (or --not-sent)"
    reason = ("--reason", cause.reason) if cause.reason else ()
    return _command("dead retry", "--handler", cause.handler, *reason)


def _command(command: str, *arguments: str) -> str:
    return f"ringback {command} {shlex.join(arguments)}"
