"""One run of one handler: the event in the form it asks for, the context, and what its ending means."""

import asyncio
import time
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import structlog
from pydantic import ValidationError
from pydantic_settings import BaseSettings
from telnyx import APIError, AsyncTelnyx

from service.events import Event
from service.events.event import InvalidBody
from service.monitoring.logs import log_later
from service.monitoring.tracebacks import tell_traceback
from service.outbound.errors import Refusal
from service.outbound.gate import Gate
from service.outbound.handler_run_state import Run, current_run
from service.outcome import Dead, Outcome
from service.routing import Context, Router
from service.security.encryption import MissingEncryptionKey, SealDamaged
from service.settings import Settings
from service.store.effects.blocks import ALL, DETAIL, PAUSED, pause_block
from service.store.inbox.handler_records import HandlerRecord, RunRecord
from service.store.inbox.leases import Lease, LeaseLost
from service.store.inbox.records import UNREADABLE, EventRecord
from service.store.store import Store
from service.subscription import Lifespan, Subscription
from service.worker.held_leases import ActiveEvent
from service.worker.metrics import HandlerMetrics
from service.worker.outcomes import Limits, TookTooLong, UnfitPayload, after_error, after_refusal, done, unknown_handler
from service.worker.run_deadlines import RunDeadlines
from service.worker.run_services import RunServices

log = structlog.get_logger(__name__)

LEFT_BEHIND = 0.5
"""Seconds that a task which a handler has left behind may take to end when it is cancelled."""
RATE_LIMIT = "rate_limit"


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
    deadlines: RunDeadlines = field(default_factory=RunDeadlines)

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


class RunHandler(Protocol):
    """`run_handler`, or another function that does the same and more."""

    async def __call__(
        self, services: HandlerServices, running: ActiveEvent, name: str, *, paused: AbstractSet[str] = ...
    ) -> HandlerRecord:
        """Run one handler of a claimed event. See `run_handler`."""


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
    record, before = lease.record, lease.record.handlers[name]
    if before.behind is not None or before.has_turn:
        before = replace(before, behind=None, has_turn=0)
    bound = log.bind(event_id=record.id, type=record.type, handler=name, attempt=before.attempts + 1)
    subscription = services.router.subscriptions.get(name)
    if subscription is None:
        return log_outcome(bound, unknown_handler(before, name, lease.now()), lease, name)
    if paused & {name, ALL}:
        return _parked(before, pause_block(name if name in paused else ALL), services.limits(subscription), lease.now())
    returning, task = before.reason == RATE_LIMIT, asyncio.current_task()
    run = Run(lease, name, running.holds_lease, services.gate, returning=returning, task=task)
    began, began_at = time.perf_counter(), lease.now()
    error = await _run_as_current(services, running, subscription, run, bound)
    if running.lost:
        raise LeaseLost
    if isinstance(error, Exception) and not isinstance(error, Outcome | APIError | UnfitPayload | TookTooLong):
        tell_traceback(error)
    now = lease.now()
    note = run.note or error
    after = done(before, now) if note is None else _ending(before, note, services.limits(subscription), now)
    waited = lease.claimed_at - max(before.due, record.due or record.received_at)
    services.metrics.count(name, after, time.perf_counter() - began, waited=waited)
    ran = RunRecord(began_at, now, after.state, after.reason, after.error, remarks=tuple(run.remarks))
    return log_outcome(bound, after.after(ran), lease, name)


def _parked(record: HandlerRecord, block: str, limits: Limits, now: int) -> HandlerRecord:
    """Park a paused handler."""
    parked = after_refusal(record, Refusal("held", PAUSED, DETAIL, block=block), limits, now)
    return parked.after(RunRecord(now, now, parked.state, parked.reason, parked.error), ran=False)


def _ending(record: HandlerRecord, error: BaseException | Refusal, limits: Limits, now: int) -> HandlerRecord:
    """Return the record after a run that failed. An exception that cannot be classified is an ordinary failure."""
    if isinstance(error, Refusal):
        return after_refusal(record, error, limits, now)
    try:
        return after_error(record, error, limits, now)
    except Exception as unfit:  # noqa: BLE001 - whatever an author's own exception does when it is looked at
        return after_error(record, unfit, limits, now)


async def _run_as_current(
    services: HandlerServices, running: ActiveEvent, subscription: Subscription, run: Run, bound: Any
) -> BaseException | None:
    """Run the handler while its run is the current one, and return what `_run` does."""
    running.runs.append(run)
    current_run.set(run)
    try:
        return await _run(services, running, subscription, run, bound)
    finally:
        # The task keeps the run in its context: both would wait for the garbage collector.
        run.task = None
        # An event's own task goes on, and what it starts is not the handler's.
        current_run.set(None)


async def _run(
    services: HandlerServices, running: ActiveEvent, subscription: Subscription, run: Run, bound: Any
) -> BaseException | None:
    """Run the handler, and return its exception, unless that is a cancellation of ours.

    The run's own note of a lost lease counts, whatever the handler made of the exception.
    """
    failure: BaseException | None = None
    seconds = services.timeout(subscription.name)
    try:
        _refuse_without_key(running, subscription)
        event = read_for(subscription, running.lease)
        context = _context(services, running.lease, subscription, bound)
        services.deadlines.start(run, running, seconds=seconds)
        try:
            await subscription.handler(event, context)
        finally:
            run.ended = True
            services.deadlines.end(run)
    except asyncio.CancelledError as error:
        if running.is_cancelled():
            raise
        failure = error
    # A handler may raise SystemExit or KeyboardInterrupt too: that ends its run, not the worker.
    except BaseException as error:  # noqa: BLE001 - a handler may raise anything, and no more than its own run ends
        failure = error
    finally:
        if run.tasks:
            await _end_tasks(run, bound)
    await _forget_cancellation(running)
    if run.lease_lost:
        raise LeaseLost
    if run.timed_out and failure is not None:
        # A handler that waited for Redis until its time was up is as innocent as one that Redis refused.
        return run.redis_failure or TookTooLong(seconds)
    return failure


def read_for(subscription: Subscription, lease: Lease, *, shared: bool = False) -> Event[Any]:
    """Return the event as the handler's annotation asks for it. A `shared` one is for readers only.

    Raises:
        Dead: its body cannot be read. One that was whole when it was accepted and is not now will not become so.
        UnfitPayload: the payload does not fit the model.
    """
    _refuse_sealed(lease.record)
    try:
        return _typed(lease, subscription, shared=shared)
    except InvalidBody as error:
        raise Dead(UNREADABLE, f"what Redis keeps of its body is damaged ({error})") from None


def _refuse_sealed(record: EventRecord) -> None:
    if record.sealed_under is not None:
        body = MissingEncryptionKey(record.sealed_under)
        raise Dead("sealed", f"its body is {body}, then retry the event: ringback dead retry {record.id}")
    if "body" in record.damaged:
        raise Dead(UNREADABLE, f"its body cannot be opened: {SealDamaged()}. Look at Telnyx what it said, then drop it")


def _typed(lease: Lease, subscription: Subscription, *, shared: bool) -> Event[Any]:
    if subscription.payload is None:
        # A dict of its own: no handler may see the changes that another makes.
        return lease.event if shared else lease.read_event()
    try:
        payload = lease.payload(subscription.payload)
    except ValidationError as error:
        raise UnfitPayload(error) from None
    return replace(lease.event, payload=payload)


def _refuse_without_key(running: ActiveEvent, subscription: Subscription) -> None:
    if no_key := running.without_key.get(subscription.name):
        raise Dead("order_key", str(no_key))


async def _forget_cancellation(running: ActiveEvent) -> None:
    """Forget a cancellation by the run's own code or by its time-out: the task goes on with the result."""
    task = asyncio.current_task()
    if task is None or not task.cancelling() or running.is_cancelled():
        return
    # A cancellation that was not delivered yet comes now.
    with suppress(asyncio.CancelledError):
        await asyncio.sleep(0)
    while task.uncancel():
        pass


async def _end_tasks(run: Run, bound: Any) -> None:
    """End what the handler has started and not awaited: nothing is sent once its outcome is recorded."""
    left = run.tasks - {asyncio.current_task()}
    for task in left:
        task.cancel()
    if left:
        _, stubborn = await asyncio.wait(left, timeout=LEFT_BEHIND)
        bound.warning("the handler left tasks behind, which are cancelled", number=len(left), stubborn=len(stubborn))


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
            services.telnyx, services.store, services.settings, lambda: lease.event, effect_key, accepted_at, lease.now
        ),
    )


def log_outcome(bound: Any, record: HandlerRecord, lease: Lease, handler: str) -> HandlerRecord:
    """Log how a handler ended, and return its record."""
    if record.state == "done":
        event, attempt = lease.record, lease.record.handlers[handler].attempts + 1
        log_later(
            __name__,
            "handler done",
            event_id=event.id,
            type=event.type,
            handler=handler,
            attempt=attempt,
            reason=record.reason,
        )
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
