"""The upkeep of the inbox: done by one worker at a time, beside its events and never behind the queue."""

import asyncio
import time
from dataclasses import dataclass, field

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from service.cancellation import check_cancelled
from service.dead_notices import tell_of_dead
from service.masking import told
from service.readiness import CauseMetrics
from service.settings import Settings
from service.store.consent import move_opt_outs
from service.store.erasure import erase_ended
from service.store.holds import open_causes, probe, release
from service.store.keys import Keys
from service.store.redis_errors import describe_cause
from service.store.upkeep import STEP, expire, let_go_bodies, memory_share, sweep, take_lock

log = structlog.get_logger(__name__)

PAUSE = 1.0
HOUR = 3600.0
LOCK = 10.0
MOST_STEPS = 100
"""Steps of one kind in a row, before the others have their turn."""
ENOUGH = 0.8
"""Share of the server's memory limit above which bodies of ended events go, however young."""


@dataclass
class Upkeep:
    """Forgets and mends, a little every second."""

    settings: Settings
    redis: "Redis"
    keys: Keys
    worker: str
    metrics: CauseMetrics = field(default_factory=CauseMetrics)
    _rank: int = 0
    _has_probed: bool = False
    _moves_at: float = 0.0

    async def keep_up(self) -> None:
        """Go on until cancelled; an outage of Redis is waited out."""
        while True:
            try:
                await self.turn()
            except (RedisError, OSError) as error:
                log.warning("upkeep waits for Redis", error=describe_cause(error))
            except Exception as error:  # noqa: BLE001 - one bad record must not end the upkeep of all others
                log.error("upkeep broke", error=told(error))  # noqa: TRY400
            check_cancelled()
            await asyncio.sleep(PAUSE)

    async def turn(self) -> None:
        """One round, if it is this worker's to do."""
        at_start = await self._probe_at_start()
        self.metrics.show(await open_causes(self.redis, self.keys))
        if not await take_lock(self.redis, self.keys, self.worker, seconds=LOCK):
            return
        if not at_start:
            await probe(self.redis, self.keys)
        await self._release()
        await self._forget()
        await self._let_go(self.settings.body_retention)
        await self._make_room()
        await self._sweep()
        await tell_of_dead(self.redis, self.keys)
        await self._move_opt_outs()
        await erase_ended(self.redis, self.keys)

    async def _probe_at_start(self) -> bool:
        """Look at once whether what is parked can go on: a new start is how most causes of the account are mended."""
        if self._has_probed:
            return False
        for cause in await open_causes(self.redis, self.keys):
            told = {"cause": cause.name, "events": cause.parked, "advice": cause.advice}
            log.warning("work was parked before this start", **told)
        await probe(self.redis, self.keys, at_once=True)
        self._has_probed = True
        return True

    async def _release(self) -> None:
        """Set free what lifted causes held, until enough is due."""
        for _ in range(MOST_STEPS):
            if await release(self.redis, self.keys) == 0:
                return

    async def _forget(self) -> None:
        retention, dead_retention = self.settings.retention, self.settings.dead_retention
        for _ in range(MOST_STEPS):
            if await expire(self.redis, self.keys, retention=retention, dead_retention=dead_retention) < STEP:
                return

    async def _let_go(self, older_than: float) -> None:
        for _ in range(MOST_STEPS):
            if await let_go_bodies(self.redis, self.keys, older_than=older_than) < STEP:
                return

    async def _make_room(self) -> None:
        for _ in range(MOST_STEPS):
            if await memory_share(self.redis) < ENOUGH:
                return
            let_go = await let_go_bodies(self.redis, self.keys, older_than=0)
            if let_go == 0:
                log.error("Redis is nearly full, and no body of an ended event is left to let go of")
                return

    async def _move_opt_outs(self) -> None:
        """Keep opt-outs under the first encryption key, so that another one can be taken away."""
        if time.monotonic() < self._moves_at:
            return
        moved = await move_opt_outs(self.redis, self.keys)
        self._moves_at = time.monotonic() + HOUR
        if moved:
            log.info("opt-outs moved to the first encryption key", number=moved)

    async def _sweep(self) -> None:
        swept = await sweep(self.redis, self.keys, first=self._rank)
        self._rank = self._rank + swept.looked_at if swept.looked_at else 0
        if swept.put_back:
            log.error("open events were missing from the queue and are back", number=swept.put_back)
