"""Healing beside the work of a worker: at its start, hourly, and after an outage of Redis or of Telnyx."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import structlog
from redis.exceptions import RedisError
from telnyx import APIError, AsyncTelnyx

from service.healing.report import HealReport
from service.healing.turn import HEAL_UNCERTAIN, HEALED, NOT_HEALED, POLLS, UNCERTAIN, HealingTurn, ask_polls, tell
from service.outbound.client import open_reader
from service.outbound.errors import classify_error
from service.outbound.list_pages import ListDoesNotEnd
from service.security.masking import describe_error
from service.settings import Settings
from service.store.connection import connect, server_time
from service.store.effects.blocks import OUTAGE, open_blocks
from service.store.inbox.healing import begin, end_turn, take_turn
from service.store.redis_errors import describe_cause
from service.store.store import Store, check_cancelled, end_task

log = structlog.get_logger(__name__)

HOUR = 3600.0
MESSAGES_EVERY = 900.0
"""Seconds between two readings of messages that have been under way for too long."""
LOOK = 15.0
"""Seconds between looks at whether a turn is due."""
KEEP = 5.0
"""Seconds between two signs of life of the process that heals."""
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 300.0
"""Seconds before a failed turn is taken again."""
BUSY_PAUSE = 2.0
"""Seconds until the next look while another process heals, or has died doing so."""
REDIS_SECONDS = 5.0


@asynccontextmanager
async def healing(
    settings: Settings, redis_url: str, restored: asyncio.Event, periodic: Collection[str] = ()
) -> AsyncIterator[None]:
    """Heal beside a worker until the block ends. `restored` is set when Redis is back after an outage.

    `periodic` names the worker's periodic handlers. Those that read registrations run at a start and after an outage.
    """
    polls = [each for each in POLLS if each in periodic]
    task = asyncio.create_task(_keep_healing(settings, redis_url, restored, polls))
    try:
        yield
    finally:
        await end_task(task)


async def _keep_healing(settings: Settings, redis_url: str, restored: asyncio.Event, polls: Sequence[str]) -> None:
    async with open_reader(settings) as telnyx, connect(redis_url, timeout=REDIS_SECONDS, connections=2) as redis:
        healer = Healer(settings, telnyx, Store.of(redis, settings), restored, polls)
        while True:
            await healer.look()
            check_cancelled()
            with suppress(TimeoutError):
                async with asyncio.timeout(healer.pause):
                    await restored.wait()


@dataclass
class Healer:
    """Decides when a turn is due, and takes it. A failed one is taken again, after a pause that grows.

    A turn is wanted since the start, and since the end of an outage. All times are Redis's: workers compare theirs.
    """

    settings: Settings
    telnyx: AsyncTelnyx
    store: Store
    restored: asyncio.Event
    polls: Sequence[str] = ()
    pause: float = LOOK
    _holder: str = field(default_factory=lambda: secrets.token_hex(8))
    _asked: bool = True
    _wanted_since: float | None = None
    _outage: bool = False
    _failures: int = 0

    async def look(self) -> None:
        """Take the turn that is due, if one is. Errors are logged, and nothing is lost by them."""
        self._asked = self._asked or self.restored.is_set()
        self.restored.clear()
        try:
            self.pause = LOOK if await self._take_due() else BUSY_PAUSE
        except (APIError, ListDoesNotEnd, RedisError, OSError) as error:
            self._failures += 1
            self.pause = min(FIRST_PAUSE * 2 ** (self._failures - 1), LONGEST_PAUSE)
            log.warning("healing waits", error=_described(error), again_in=self.pause)
        except Exception as error:  # noqa: BLE001 - a bug in healing must not end it, nor the worker
            self.pause = LONGEST_PAUSE
            log.error("healing broke", error=describe_error(error), again_in=self.pause)
        else:
            self._failures = 0

    async def _take_due(self) -> bool:
        """Take the turn that is due. Return False if another process has it."""
        # Without a public URL, too: nothing from before the first start is ever healed.
        state = await begin(self.store)
        if self.settings.public_url is None:
            return True
        now, is_over = await server_time(self.store.redis) / 1000, await self._is_outage_over()
        if self._asked or is_over:
            self._asked, self._wanted_since = False, now
        # Another worker's turn serves for this one.
        if self._wanted_since is not None and (state.turn_at or 0.0) >= self._wanted_since:
            self._wanted_since = None
        turn = HealingTurn(self.telnyx, self.store, self.settings, in_worker=True)
        if self._wanted_since is not None or _is_due(state.turn_at, HOUR, now):
            return await self._in_turn(lambda: self._heal(turn))
        if _is_due(state.messages_at, MESSAGES_EVERY, now):
            return await self._in_turn(lambda: self._read_messages(turn))
        return True

    async def _heal(self, turn: HealingTurn) -> None:
        if self._wanted_since is not None:
            await ask_polls(self.store, self.polls)
        report = await turn.start()
        try:
            async for _ in turn.take(report):
                log.debug("healing", deliveries=report.deliveries, healed=len(report.healed))
        finally:
            # Of a turn that is cut off, too: the next one does not find these again.
            await self._tell(report)
        self._wanted_since = None

    async def _read_messages(self, turn: HealingTurn) -> None:
        await self._tell(await turn.read_messages())

    async def _tell(self, report: HealReport) -> None:
        if report.healed:
            log.info(HEALED, number=len(report.healed), types=report.types(), deliveries=report.deliveries)
        if report.failed:
            log.error(NOT_HEALED, number=len(report.failed), first=report.failed[0].source)
        if report.uncertain:
            log.error(UNCERTAIN, number=len(report.uncertain), next=HEAL_UNCERTAIN)
        await tell(self.store, report)

    async def _in_turn(self, work: Callable[[], Awaitable[object]]) -> bool:
        """Do work while no other process heals. Return False if one does: its work serves for ours at the next look."""
        if not await take_turn(self.store, self._holder):
            return False
        keeping = asyncio.create_task(self._keep_turn())
        try:
            await work()
        finally:
            keeping.cancel()
            await asyncio.gather(keeping, return_exceptions=True)
            await end_turn(self.store)
        return True

    async def _keep_turn(self) -> None:
        while True:
            await asyncio.sleep(KEEP)
            with suppress(RedisError, OSError):
                await take_turn(self.store, self._holder)
            check_cancelled()

    async def _is_outage_over(self) -> bool:
        before = self._outage
        self._outage = any(each.name == OUTAGE for each in await open_blocks(self.store))
        return before and not self._outage


def _is_due(last: float | None, every: float, now: float) -> bool:
    return last is None or now - last >= every or last > now + every


def _described(error: Exception) -> str:
    if isinstance(error, APIError):
        return classify_error(error).detail
    return describe_cause(error) if isinstance(error, RedisError | OSError) else str(error)
