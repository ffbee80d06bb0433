"""One run of one handler on a past event that changes nothing at Telnyx, in Redis, or for people."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import structlog
from pydantic import ValidationError
from pydantic_settings import BaseSettings
from telnyx import AsyncTelnyx

from service import clock
from service.events import Event
from service.events.event import InvalidBody
from service.events.event_types import fits
from service.outbound.api_call import Call
from service.outbound.shadow_transport import captured_calls
from service.routing import Context, Router
from service.settings import Settings
from service.store.inbox.handler_records import PENDING, HandlerRecord
from service.store.inbox.leases import Lease
from service.store.inbox.records import EventRecord
from service.store.shadow_store import ReadOnlyRedis, ShadowStore
from service.subscription import Lifespan, Subscription
from service.worker.early_discards import reason_against
from service.worker.outcomes import Limits, TookTooLong, UnfitPayload, after_error, done
from service.worker.run_services import RunServices

log = structlog.get_logger("shadow")


@dataclass(frozen=True, slots=True)
class ShadowRun:
    """The end of a handler, and what it would have done. Texts of events are not among it, but calls are whole."""

    outcome: HandlerRecord
    calls: tuple[Call, ...]
    raised: tuple[str, ...] = ()
    notified: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ShadowWorker:
    """The means of shadow runs: handlers, a client that sends no effect, and a store that takes no write."""

    settings: Settings
    router: Router
    store: ShadowStore
    redis: ReadOnlyRedis
    telnyx: AsyncTelnyx
    states: Mapping[Lifespan, Any] = field(default_factory=dict)
    own: Mapping[type[BaseSettings], BaseSettings] = field(default_factory=dict)

    def subscribed(self, event_type: str) -> list[str]:
        """Return the names of the handlers of this event type."""
        handlers = self.router.subscriptions.values()
        return [each.name for each in handlers if any(fits(pattern, event_type) for pattern in each.types)]

    async def run(self, record: EventRecord, name: str) -> ShadowRun:
        """Run a handler on an event. Ringback's clock stands at the acceptance of the event, and goes on from there."""
        lease = Lease(record, "shadow", alone=False, claimed_at=record.received_at)
        began, start = record.received_at / 1000, time.monotonic()
        calls: list[Call] = []
        services = ShadowServices(
            self.telnyx, self.store, self.settings, lambda: lease.event, f"{record.id}/{name}", began, lease.now
        )
        captured_calls.set(calls)
        with clock.moved(lambda: began + time.monotonic() - start):
            outcome = await self._outcome(lease, self.router.subscriptions[name], services)
        return ShadowRun(outcome, tuple(calls), tuple(services.raised), tuple(services.notified))

    async def _outcome(self, lease: Lease, subscription: Subscription, services: "ShadowServices") -> HandlerRecord:
        limits = Limits(
            subscription.max_attempts or self.settings.max_attempts,
            self.settings.max_wait,
            self.settings.outage_patience,
        )
        if (reason := reason_against(subscription, lease, self.settings)) is not None:
            return done(PENDING, lease.now(), reason)
        seconds, others = subscription.timeout or self.settings.handler_timeout, asyncio.all_tasks()
        timeout = asyncio.timeout(seconds)
        try:
            event = _read(lease, subscription)
            async with timeout:
                await subscription.handler(event, self._context(lease, subscription, services))
        except asyncio.CancelledError:
            raise
        # A handler may raise SystemExit too. That ends its run alone.
        except BaseException as error:  # noqa: BLE001 - see above
            expired = isinstance(error, TimeoutError) and timeout.expired()
            return after_error(PENDING, TookTooLong(seconds) if expired else error, limits, lease.now())
        finally:
            await _end(asyncio.all_tasks() - others)
        return done(PENDING, lease.now())

    def _context(self, lease: Lease, subscription: Subscription, services: "ShadowServices") -> Context:
        return Context(
            telnyx=self.telnyx,
            redis=self.redis,
            log=log.bind(event_id=lease.record.id, handler=subscription.name, shadow=True),
            attempt=1,
            settings=self.settings,
            state=self.states.get(subscription.lifespan) if subscription.lifespan else None,
            own=self.own.get(subscription.settings) if subscription.settings else None,
            effect_key=f"{lease.record.id}/{subscription.name}",
            services=services,
            shadow=True,
        )


def _read(lease: Lease, subscription: Subscription) -> Event[Any]:
    """Return the event in the form that the handler asks for.

    Raises:
        UnfitPayload: the payload does not fit its model.
    """
    try:
        event = lease.read_event()
        return event if subscription.payload is None else replace(event, payload=lease.payload(subscription.payload))
    except ValidationError as error:
        raise UnfitPayload(error) from None
    except InvalidBody as error:
        raise ValueError("its body is damaged") from error


async def _end(tasks: "set[asyncio.Task[Any]]") -> None:
    """End what a handler left behind."""
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks, timeout=1)


@dataclass(frozen=True, slots=True)
class ShadowServices(RunServices):
    """The methods of a context in a shadow run. They keep events and notifications."""

    raised: list[str] = field(default_factory=list)
    notified: list[str] = field(default_factory=list)

    async def cancel(self, key: str) -> None:
        """Capture the cancellation of a scheduled event."""
        self.raised.append(f"cancel {key}")

    async def notify(self, cause: str, text: str, mend: str) -> None:  # noqa: ARG002 - as in RunServices
        """Capture a notification."""
        self.notified.append(cause)

    async def _raise(self, how: str, event_type: str, payload: Mapping[str, Any], key: str, delay: float) -> None:  # noqa: ARG002 - as in RunServices
        self.raised.append(f"{how} {event_type} {key}")
