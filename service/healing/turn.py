"""One turn of healing: deliveries, messages and progress. The command and the workers take the same turns."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from telnyx import AsyncTelnyx

from service import clock
from service.healing.deliveries import OurUrls
from service.healing.feed import Feed
from service.healing.missed_deliveries import OVERLAP, MissedDeliveries
from service.healing.report import HealReport
from service.healing.unfinished_messages import UnfinishedMessages
from service.monitoring.notifications import notify
from service.routing import CRON
from service.settings import Settings
from service.store.connection import server_time
from service.store.inbox.accept import NewEvent, accept
from service.store.inbox.healing import begin, forgotten_until, note_messages_read, note_progress, note_turn
from service.store.store import Store

POLLS = ("toll_free_poll", "hosted_numbers_poll", "campaigns_poll", "rcs_registration_poll")
"""The periodic handlers that read registrations whose webhooks may have been missed."""
HEALED = "missed events were healed"
NOT_HEALED = "missed events could not be healed"
UNCERTAIN = "lost events are not healed: their messages would go out a second time"
HEAL_UNCERTAIN = "ringback heal --since 7d --uncertain"
MARGIN = 60.0
"""Seconds before events expire, within which they are no longer asked for."""


@dataclass(frozen=True)
class HealingTurn:
    """A turn of healing with one account and one store. Without `act` nothing is changed.

    `in_worker` says that a worker takes it. `uncertain_too` is that of `Feed`.
    """

    telnyx: AsyncTelnyx
    store: Store
    settings: Settings
    act: bool = True
    in_worker: bool = False
    uncertain_too: bool = False

    async def start(self, since: float | None = None) -> HealReport:
        """Return the report of a turn from `since` (seconds since 1970), or from where the last turn ended.

        Nothing from before the first start, or from before what is remembered, is healed.
        """
        state, now = await begin(self.store), await self._now()
        wanted = state.until - OVERLAP if since is None else since
        remembered = max(await forgotten_until(self.store), now - self.settings.retention + MARGIN)
        first = min(max(wanted, state.since, remembered), now)
        return HealReport(first, now)

    async def take(self, report: HealReport) -> AsyncIterator[None]:
        """Heal deliveries and messages. Yield after each hour of deliveries. One that was cut off goes on there.

        Raises:
            service.settings.InvalidSettings: `RINGBACK_PUBLIC_URL` is not set.
            service.outbound.list_pages.ListDoesNotEnd: Telnyx's list does not end.
            telnyx.APIError: Telnyx refuses, or cannot be reached. Healed events stay, and the report counts them.
            redis.exceptions.RedisError: Redis cannot be reached. The same.
        """
        feed = Feed(self.store, self.settings, self.act, self.in_worker, self.uncertain_too)
        ours = OurUrls.of(self.settings)
        deliveries = MissedDeliveries(self.telnyx, self.store, self.settings, ours, feed)
        async for _ in deliveries.heal(report):
            await self._note_progress(report)
            yield
        await UnfinishedMessages(self.telnyx, self.store, self.settings, feed).heal(report)
        if self.act:
            await note_messages_read(self.store, await self._now())
            await note_turn(self.store, report.until, failed=len(report.failed))

    async def _note_progress(self, report: HealReport) -> None:
        state = await begin(self.store)
        # With --since, hours between the last turn and that time may still have to be looked at.
        if self.act and report.since <= state.until < report.reached:
            await note_progress(self.store, report.reached)

    async def read_messages(self) -> HealReport:
        """Ask Telnyx for messages that have been under way for too long. Raises what `take` does."""
        now = await self._now()
        report = HealReport(now, now)
        feed = Feed(self.store, self.settings, self.act, self.in_worker)
        await UnfinishedMessages(self.telnyx, self.store, self.settings, feed).heal(report)
        await note_messages_read(self.store, await self._now())
        return report

    async def _now(self) -> float:
        """Return the time of Redis in seconds since 1970. Turns on several machines follow each other by it."""
        return await server_time(self.store.redis) / 1000


async def ask_polls(store: Store, names: Sequence[str] = POLLS) -> None:
    """Let the handlers that read registrations run at once. A time at which no worker ran is not made up for.

    They run once for a turn, even if it is cut off and begins again. So the next attempt completes one that failed
    half-way.
    """
    last = int(((await begin(store)).turn_at or 0.0) * 1000)
    now = clock.now()
    events = [NewEvent.derived(f"heal:{name}:{last}", CRON + name, {}, "cron", at=now) for name in names]
    if events:
        await accept(store, events)


async def tell(store: Store, report: HealReport) -> None:
    """Notify people once of everything in a report that was healed, and of what could not be."""
    counts = ", ".join(f"{name} {count}" for name, count in report.types().items())
    if report.healed:
        text = f"{len(report.healed)} events had not arrived, and are processed now: {counts}"
        await notify(store, cause=HEALED, text=text, mend="ringback events list")
    if report.uncertain:
        text = (
            f"{len(report.uncertain)} events were answered with 200 more than 23 hours ago, and are not in the store."
            " It may have been restored from a backup. Their messages would go out a second time"
        )
        await notify(store, cause=NOT_HEALED, text=text, mend=HEAL_UNCERTAIN)
    if report.failed:
        reasons = sorted({each.reason for each in report.failed})
        text = f"{len(report.failed)} could not be healed: {'; '.join(reasons[:5])}"
        await notify(store, cause=NOT_HEALED, text=text, mend="ringback heal --since 24h --json")
