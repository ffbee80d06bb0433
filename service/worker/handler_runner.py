"""One run of one handler: the event in the form it asks for, the context, and what its ending means."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from functools import cache, partial
from typing import Any

import structlog
from prometheus_client import CollectorRegistry, Counter, Histogram
from pydantic import ValidationError
from pydantic_settings import BaseSettings
from telnyx import APIError, AsyncTelnyx

from service.events import Event
from service.events.event import InvalidBody
from service.messages.fallback_sending import DOUBLE_DELIVERIES
from service.messages.reply import REPLIES_REFUSED
from service.messages.reply_countries import note_regions_of
from service.monitoring.labels import Labels
from service.monitoring.tracebacks import tell_traceback
from service.outbound.errors import Refusal
from service.outbound.gate import Gate
from service.outbound.handler_run_state import Run, current_run
from service.outcome import Dead, Outcome
from service.routing import Context, Lifespan, Router, Subscription
from service.security.encryption import MissingEncryptionKey, SealDamaged
from service.settings import Settings
from service.store.effects.blocks import ALL, DETAIL, PAUSED, pause_block
from service.store.inbox.handler_records import HandlerRecord, RunRecord
from service.store.inbox.handler_times import TimesRecorder
from service.store.inbox.leases import Lease, LeaseLost
from service.store.inbox.records import UNREADABLE, EventRecord
from service.store.store import Store
from service.worker.held_leases import ActiveEvent, FairTimeout
from service.worker.outcomes import Limits, TookTooLong, UnfitPayload, after_error, after_refusal, done, unknown_handler
from service.worker.run_services import RunServices

log = structlog.get_logger(__name__)

LEFT_BEHIND = 0.5
"""Seconds that a task which a handler has left behind may take to end when it is cancelled."""
RATE_LIMIT = "rate_limit"


def _reasons() -> Labels:
    """Return labels for reasons that are words or codes: each sentence would create a permanent time series."""
    return Labels(r"[A-Za-z_][A-Za-z0-9_]{0,39}|\d{3,5}", most=50)


@dataclass
class HandlerMetrics:
    """Runs of handlers by how they ended, and how long they took."""

    registry: CollectorRegistry = field(default_factory=CollectorRegistry)

    def __post_init__(self) -> None:
        self._reasons: defaultdict[str, Labels] = defaultdict(_reasons)
        runs = Counter(
            "ringback_handler_runs",
            "Runs of handlers by how they ended and why.",
            ["handler", "state", "reason"],
            registry=self.registry,
        )
        durations = Histogram(
            "ringback_handler_seconds",
            "Duration of one run of a handler.",
            ["handler"],
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0),
            registry=self.registry,
        )
        # Prometheus's own look-up of a series takes longer than its increment.
        self._runs_of, self._seconds_of = cache(runs.labels), cache(durations.labels)
        self._waits = Counter(
            "ringback_order_waits",
            "Waits of handlers that run in order for an earlier event of the same key.",
            ["handler"],
            registry=self.registry,
        )
        self.times = TimesRecorder()
        self.registry.register(DOUBLE_DELIVERIES)
        self.registry.register(REPLIES_REFUSED)

    def count(self, handler: str, record: HandlerRecord, seconds: float, *, waited: int) -> None:
        """Count a run that has ended. Its event waited so many milliseconds for it."""
        reason = self._reasons[handler].of(record.reason) if record.reason else ""
        self._runs_of(handler, record.state, reason).inc()
        self._seconds_of(handler).observe(seconds)
        self.times.observe(handler, pickup=waited, run=seconds * 1000)

    def count_wait(self, handler: str) -> None:
        """Count an event that waits for an earlier one of the same key."""
        self._waits.labels(handler).inc()


@dataclass(frozen=True)
class HandlerServices:
    """The services of handlers, shared by all runs of a worker."""

    settings: Settings
    router: Router
    store: Store
    telnyx: AsyncTelnyx
    gate: Gate
    states: Mapping[Lifespan, Any]
    metrics: HandlerMetrics
    own: Mapping[type[BaseSettings], BaseSettings]

    def timeout(self, name: str) -> float:
        """Return seconds that a run of this handler may take."""
        subscription = self.router.subscriptions.get(name)
        return (subscription and subscription.timeout) or self.settings.handler_timeout

    def limits(self, subscription: Subscription | None) -> Limits:
        """Return the limits of this handler's retries."""
        return Limits(
            max_attempts=(subscription and subscription.max_attempts) or self.settings.max_attempts,
            max_wait=self.settings.max_wait,
            outage_patience=self.settings.outage_patience,
        )


async def run_handler(
    services: HandlerServices, running: ActiveEvent, name: str, *, paused: AbstractSet[str] = frozenset()
) -> HandlerRecord:
    """Run one handler of a claimed event, or park it where it is `paused`, and answer its new record.

    Raises:
        LeaseLost: the lease is gone, so there is nothing to record.
    """
    if running.lost:
        raise LeaseLost
    lease = running.lease
    record, before = lease.record, replace(lease.record.handlers[name], behind=None)
    bound = log.bind(event_id=record.id, type=record.type, handler=name, attempt=before.attempts + 1)
    subscription = services.router.subscriptions.get(name)
    if subscription is None:
        return _log_outcome(bound, unknown_handler(before, name, lease.now()), lease)
    if paused & {name, ALL}:
        return _parked(before, pause_block(name if name in paused else ALL), services.limits(subscription), lease.now())
    returning, task = before.reason == RATE_LIMIT, asyncio.current_task()
    run = Run(lease, name, running.holds_lease, services.gate, returning=returning, task=task)
    running.runs.append(run)
    current_run.set(run)
    began, began_at = time.perf_counter(), lease.now()
    try:
        error = await _run(services, running, subscription, run, bound)
    finally:
        # The task keeps the run in its context: both would wait for the garbage collector.
        run.task = None
    if running.lost:
        raise LeaseLost
    if isinstance(error, Exception) and not isinstance(error, Outcome | APIError | UnfitPayload | TookTooLong):
        tell_traceback(error)
    after = _ending(before, run.note or error, services.limits(subscription), lease.now())
    waited = lease.claimed_at - max(before.due, record.due or record.received_at)
    services.metrics.count(name, after, time.perf_counter() - began, waited=waited)
    ran = RunRecord(began_at, lease.now(), after.state, after.reason, after.error, remarks=tuple(run.remarks))
    return _log_outcome(bound, after.after(ran), lease)


def _parked(record: HandlerRecord, block: str, limits: Limits, now: int) -> HandlerRecord:
    """Park a paused handler."""
    parked = after_refusal(record, Refusal("held", PAUSED, DETAIL, block=block), limits, now)
    return parked.after(RunRecord(now, now, parked.state, parked.reason, parked.error), ran=False)


def _ending(record: HandlerRecord, error: BaseException | Refusal | None, limits: Limits, now: int) -> HandlerRecord:
    """Return the record after a run. An exception that cannot be classified is an ordinary failure."""
    if error is None:
        return done(record, now)
    if isinstance(error, Refusal):
        return after_refusal(record, error, limits, now)
    try:
        return after_error(record, error, limits, now)
    except Exception as unfit:  # noqa: BLE001 - whatever an author's own exception does when it is looked at
        return after_error(record, unfit, limits, now)


async def _run(
    services: HandlerServices, running: ActiveEvent, subscription: Subscription, run: Run, bound: Any
) -> BaseException | None:
    """Run the handler, and return its exception, unless that is a cancellation of ours.

    The run's own note of a lost lease counts, whatever the handler made of the exception.
    """
    failure: BaseException | None = None
    record = running.lease.record
    seconds = services.timeout(subscription.name)
    timeout = FairTimeout(seconds, partial(running.blocked_beside, run))
    try:
        _refuse_sealed(record)
        _refuse_without_key(running, subscription)
        event = await _read(services.store, running.lease, subscription)
        context = _context(services, running.lease, subscription, bound)
        async with timeout:
            try:
                await subscription.handler(event, context)
            finally:
                run.ended = True
    except asyncio.CancelledError as error:
        if running.stopping:
            raise
        failure = error
    # A handler may raise SystemExit or KeyboardInterrupt too: that ends its run, not the worker.
    except BaseException as error:  # noqa: BLE001 - a handler may raise anything, and no more than its own run ends
        failure = TookTooLong(seconds) if timeout.expired() else error
    finally:
        await _end_tasks(run, bound)
    if run.lease_lost:
        raise LeaseLost
    return failure


def _refuse_sealed(record: EventRecord) -> None:
    if record.sealed_under is not None:
        body = MissingEncryptionKey(record.sealed_under)
        raise Dead("sealed", f"its body is {body}, then retry the event: ringback dead retry {record.id}")
    if "body" in record.damaged:
        raise Dead(UNREADABLE, f"its body cannot be opened: {SealDamaged()}. Look at Telnyx what it said, then drop it")


def _refuse_without_key(running: ActiveEvent, subscription: Subscription) -> None:
    if no_key := running.without_key.get(subscription.name):
        raise Dead("order_key", str(no_key))


async def _read(store: Store, lease: Lease, subscription: Subscription) -> Event[Any]:
    """Read the stored body. One that was whole when it was accepted and is not now will not become so."""
    try:
        await note_regions_of(store, lease)
        return _typed(lease, subscription)
    except InvalidBody as error:
        raise Dead(UNREADABLE, f"what Redis keeps of its body is damaged ({error})") from None


async def _end_tasks(run: Run, bound: Any) -> None:
    """End what the handler has started and not awaited: nothing is sent once its outcome is recorded."""
    if not run.tasks:
        return
    left = run.tasks - {asyncio.current_task()}
    for task in left:
        task.cancel()
    if left:
        _, stubborn = await asyncio.wait(left, timeout=LEFT_BEHIND)
        bound.warning("the handler left tasks behind, which are cancelled", number=len(left), stubborn=len(stubborn))


def _typed(lease: Lease, subscription: Subscription) -> Event[Any]:
    if subscription.payload is None:
        # A dict of its own: no handler may see the changes that another makes.
        return lease.read_event()
    try:
        payload = lease.payload(subscription.payload)
    except ValidationError as error:
        raise UnfitPayload(error) from None
    return replace(lease.event, payload=payload)


def _context(services: HandlerServices, lease: Lease, subscription: Subscription, bound: Any) -> Context:
    record = lease.record
    effect_key, accepted_at = f"{record.id}/{subscription.name}", record.received_at / 1000
    return Context(
        telnyx=services.telnyx,
        redis=services.store.redis,
        log=bound,
        attempt=record.handlers[subscription.name].attempts + 1,
        settings=services.settings,
        state=services.states.get(subscription.lifespan) if subscription.lifespan else None,
        own=services.own.get(subscription.settings) if subscription.settings else None,
        effect_key=effect_key,
        services=RunServices(
            services.telnyx, services.store, services.settings, lambda: lease.event, effect_key, accepted_at
        ),
    )


def _log_outcome(bound: Any, record: HandlerRecord, lease: Lease) -> HandlerRecord:
    if record.state == "done":
        bound.info("handler done", reason=record.reason)
    elif record.state == "dead":
        # An alarm is one line per cause and hour (dead_notices), not one per event.
        bound.warning("handler dead", reason=record.reason, error=record.error)
    elif record.state == "parked":
        # Its due time is its deadline. A lifted block is found within a minute.
        bound.warning("handler parked", reason=record.reason, error=record.error)
    else:
        wait = max(0, record.due - lease.now()) / 1000
        bound.warning("handler again later", reason=record.reason, error=record.error, seconds=round(wait, 1))
    return record
