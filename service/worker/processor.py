"""Processing events: claiming them, running their handlers side by side, and recording how each ended."""

import asyncio
import time
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property

import structlog
from redis.exceptions import RedisError

from service.messages.reply_countries import REGIONS_NOTED, note_regions_of
from service.security.masking import describe_error
from service.store.batching import Batcher
from service.store.inbox.handler_records import HandlerRecord
from service.store.inbox.leases import (
    ClaimedEvents,
    ClaimRequest,
    HandlerResults,
    Lease,
    LeaseLost,
    announce_stop,
    claim,
)
from service.store.inbox.order import NOW
from service.store.store import Store
from service.worker import early_discards
from service.worker.handler_runner import HandlerServices, RunHandler
from service.worker.held_leases import ActiveEvent, FairTimeout, HeldLeases
from service.worker.metrics import EventMetrics
from service.worker.ordering import Ordering
from service.worker.outcomes import after_error

log = structlog.get_logger(__name__)

UNSEALED = (
    "a body is stored in the clear although RINGBACK_ENCRYPTION_KEY is set. It is older than the key, or of a writer"
    " without one. This is logged once, and ringback doctor counts such bodies"
)
LINGER = 1.0
"""Seconds for which the result of a handler that discarded its event waits for others. A crash runs it again."""
STUBBORN = 1.0
"""Seconds that a handler may take to end when it is cancelled."""
HAND_BACK = 2.0
"""Seconds that Redis may take for a hand-back: a worker that stops does not wait for it to come back."""
RENEWAL_SOON = 0.05
"""Seconds between looks whether a lease that seems to have lapsed is renewed: nobody else may have taken it."""


@dataclass(frozen=True)
class Processor:
    """Claims and processes events for one worker."""

    services: HandlerServices
    store: Store
    leases: HeldLeases
    finishing: "Batcher[HandlerResults, str]"
    metrics: EventMetrics
    ordering: Ordering
    run: RunHandler

    async def claim(self, number: int, *, limit: int, alone: bool = False, only: str | None = None) -> ClaimedEvents:
        """Take due events under the claim of this number, and hold them.

        Raises:
            redis.exceptions.RedisError: repeat it under the same number, or give it up.
        """
        claimed = await claim(self.store, self.request(number, limit=limit, alone=alone, only=only))
        self.hold(number, claimed)
        return claimed

    def request(self, number: int, *, limit: int, alone: bool = False, only: str | None = None) -> ClaimRequest:
        """Return the request for a claim of this number."""
        leases = self.leases
        return ClaimRequest(
            leases.worker,
            number,
            leases.lease,
            limit=limit,
            routes=self._routes,
            alone=alone,
            only=only,
            ordered=self.ordering.types,
        )

    def hold(self, number: int, claimed: ClaimedEvents) -> None:
        """Hold what was claimed under this number."""
        self.leases.paused = claimed.paused
        for event_id in claimed.damaged:
            log.error("an event's record is damaged: it is dead, others go on", event_id=event_id)
        unsealed = next((each for each in claimed.leases if each.record.unsealed), None)
        if unsealed is not None and not self.leases.logged_unsealed:
            self.leases.logged_unsealed = True
            log.warning(UNSEALED, event_id=unsealed.record.id)
        self.leases.add_claimed(number, claimed.leases, timeout=self._timeout)

    async def handle(self, lease: Lease) -> None:
        """Run what is due of a claimed event, and give the lease back.

        Cancelled (at shutdown), it hands the event back: unfinished handlers run again, at no cost of an attempt.
        """
        running = self.leases.running[lease.record.id]
        running.task = asyncio.current_task()
        try:
            if not running.holds_lease():
                # A blocked loop reads the answer to its claim late. Another worker may run the event by then.
                await self._confirm_lease(running)
            await self._run_due(running)
        except LeaseLost:
            log.warning("lease lost, nothing recorded", event_id=lease.record.id)
        except asyncio.CancelledError:
            if running.lost:
                log.warning("lease lost, nothing recorded", event_id=lease.record.id)
            elif self.leases.stopping:
                # A second cancellation must not cut the hand-back off: the event would wait for its lease to lapse.
                await asyncio.shield(self._give_back(running))
            # Else the loop itself has been brought down, by this event perhaps: its lease lapses, and that counts.
        finally:
            self.leases.release(running)

    async def hand_back(self, lease: Lease) -> None:
        """Give back an event that was claimed and not begun."""
        running = self.leases.running.get(lease.record.id)
        if running is not None and running.lease is lease and running.task is None:
            await self._give_back(running)
            self.leases.release(running)

    async def hand_back_rest(self) -> None:
        """Give back what is left at an announced stop: no task began it, or its handler ignores its cancellation."""
        for running in list(self.leases.running.values()) if self.leases.stopping else ():
            if running.task is not None:
                log.error("a handler ignores its cancellation", event_id=running.lease.record.id)
            await self._give_back(running)
            self.leases.release(running)
            # Such a handler may still end, and then records nothing.
            running.lost = True

    async def announce_stop(self) -> None:
        """Announce this worker's stop, so that its events are handed back and no lapse counts."""
        self.leases.stopping = True
        with suppress(RedisError, OSError):
            await announce_stop(self.store, self.leases.worker)

    async def _give_back(self, running: ActiveEvent) -> None:
        """Give a lease back with what had ended before. Where that fails, it lapses."""
        with suppress(LeaseLost, TimeoutError):
            async with asyncio.timeout(HAND_BACK):
                await self._record(running, running.unrecorded, release=True)
            log.info("handed back", event_id=running.lease.record.id)

    async def _confirm_lease(self, running: ActiveEvent) -> None:
        """Wait until a lease that may have lapsed is renewed.

        Raises:
            LeaseLost: another worker has the event, or Redis does not answer for as long as a lease.
        """
        try:
            async with FairTimeout(self.leases.lease, self.leases.blockage.total):
                await _renewal(running)
        except TimeoutError:
            raise LeaseLost from None

    @cached_property
    def _routes(self) -> Mapping[str, tuple[str, ...]]:
        return {name: each.types for name, each in self.services.router.subscriptions.items()}

    def _timeout(self, lease: Lease) -> float:
        """Return the longest time-out of the event's own handlers, in seconds."""
        timeouts = map(self.services.timeout, lease.record.handlers)
        return max(timeouts, default=self.services.settings.handler_timeout)

    async def _run_due(self, running: ActiveEvent) -> None:
        """Run the due handlers side by side, and after them those that are known to block the event loop."""
        lease, paused = running.lease, self.leases.paused
        handlers = lease.record.handlers
        due = [name for name, each in handlers.items() if not each.ended and each.due <= lease.claimed_at]
        # Most events in order wait for none, and their claim says so.
        if self.ordering.types and lease.turn is not NOW:
            due = await self.ordering.at_turn(running, due)
        if lease.record.type in REGIONS_NOTED:
            await note_regions_of(self.services.store, lease)
        if discarded := early_discards.discarded(self.services, lease, due, paused):
            running.ended |= discarded
            running.unrecorded |= discarded
            due = [name for name in due if name not in discarded]
        if len(due) == 1 and not lease.record.damaged:
            await self._run_alone(running, due[0], paused, last=True)
            return
        blocking = [name for name in due if name in lease.record.blocked]
        groups = [group for group in ([name for name in due if name not in blocking], blocking) if group]
        unreadable = {name: handlers[name] for name in lease.record.damaged if name in handlers}
        if unreadable:
            log.error("handlers' records are damaged: they are dead", event_id=lease.record.id, handlers=[*unreadable])
        if unreadable or not groups:
            await self._record(running, running.unrecorded | unreadable, release=not groups)
            running.unrecorded = {}
        for group in groups:
            if len(group) == 1:
                await self._run_alone(running, group[0], paused, last=group is groups[-1])
                continue
            running.began, running.stopping = time.monotonic(), False
            runs = {asyncio.create_task(self._run(running, name, paused)): name for name in group}
            try:
                await self._record_as_they_end(running, runs, last=group is groups[-1])
            finally:
                running.stopping = True
                await _stop(set(runs))

    async def _run_alone(self, running: ActiveEvent, name: str, paused: AbstractSet[str], *, last: bool) -> None:
        """Run one handler in the event's own task: a task for each handler costs more than a short run."""
        running.began, running.stopping = time.monotonic(), False
        record = await self._run(running, name, paused)
        # Kept until it is recorded: a cancellation may come before.
        running.unrecorded[name] = record
        await self._record(running, running.unrecorded, release=last)
        running.unrecorded = {}

    async def _run(self, running: ActiveEvent, name: str, paused: AbstractSet[str]) -> HandlerRecord:
        try:
            record = await self.run(self.services, running, name, paused=paused)
        except Exception as error:  # noqa: BLE001 - one event's trouble must not become its neighbours'
            record = self._failed(running, name, error)
        running.ended[name] = record
        return record

    async def _record_as_they_end(
        self, running: ActiveEvent, runs: Mapping["asyncio.Task[HandlerRecord]", str], *, last: bool
    ) -> None:
        """Record endings at once, but for those of handlers that discarded the event, which wait for the others."""
        pending = set(runs)
        while pending:
            timeout = LINGER if running.unrecorded else None
            finished, pending = await asyncio.wait(pending, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
            ended = {runs[task]: task.result() for task in finished}
            running.unrecorded |= ended
            if not (pending and finished and all(each.is_discarded for each in ended.values())):
                await self._record(running, running.unrecorded, release=last and not pending)
                running.unrecorded = {}

    def _failed(self, running: ActiveEvent, name: str, error: Exception) -> HandlerRecord:
        """Return a handler's new record where our own code around it failed: that is an attempt."""
        record = running.lease.record
        about = {"error": describe_error(error), "event_id": record.id, "handler": name}
        log.error("a handler's run met a bug of Ringback", **about)
        limits = self.services.limits(self.services.router.subscriptions.get(name))
        return after_error(record.handlers[name], error, limits, running.lease.now())

    async def _record(self, running: ActiveEvent, ended: Mapping[str, HandlerRecord], *, release: bool) -> None:
        """Record results as long as the lease may still be ours, even through an outage.

        Raises:
            LeaseLost: nothing was recorded.
        """
        if running.is_abandoned():
            raise LeaseLost
        running.finishing = release
        if release:
            # Its place is free: the next claim goes out beside these results.
            self.leases.room.set()
        ending = HandlerResults.of(running.lease, ended, release=release, sealer=self.store.encryption)
        if not running.holds_lease():
            await self._confirm_lease(running)
        try:
            state = await self.finishing.submit(ending)
        except (TimeoutError, RedisError):
            # An outage, or a damaged record. The next claim tells them apart.
            raise LeaseLost from None
        if state == "lost":
            raise LeaseLost
        self.metrics.recorded(running.lease, state)


async def _renewal(running: ActiveEvent) -> None:
    """Wait while a lease may have lapsed. A thread renews it, or finds that it is lost.

    Raises:
        LeaseLost: another worker has the event.
    """
    while not running.holds_lease():
        if running.lost:
            raise LeaseLost
        await asyncio.sleep(RENEWAL_SOON)


async def _stop(tasks: "set[asyncio.Task[HandlerRecord]]") -> None:
    """Cancel handlers. One that will not be cancelled is left behind, and its worker's end ends it."""
    unfinished = {task for task in tasks if not task.done()}
    for task in unfinished:
        task.cancel()
    stubborn: set[asyncio.Task[HandlerRecord]] = set()
    if unfinished:
        _, stubborn = await asyncio.wait(unfinished, timeout=STUBBORN)
    for task in tasks - stubborn:
        # Looked at, so that the loop does not report what has been dealt with.
        _ = task.cancelled() or task.exception()
    if stubborn:
        log.error("handlers ignore their cancellation", number=len(stubborn))
