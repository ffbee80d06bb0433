"""Processing one event: running its handlers side by side and recording how each ended."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import structlog
from pydantic import ValidationError
from redis.asyncio import Redis
from redis.exceptions import RedisError
from telnyx import APIError, AsyncTelnyx

from service.endings import Limits, UnfitPayload, after_error, done, unknown_handler
from service.events import Event, read_event
from service.handler_metrics import HandlerMetrics
from service.messages.consent import note_stop
from service.messages.derived import DerivedEvents
from service.messages.reply import Answer
from service.outbound.client import open_client
from service.outbound.effects import effects_of_this_run
from service.outbound.refusals import STOP, codes, recipient
from service.routing import Context, Lifespan, Router, Subscription
from service.settings import Settings
from service.store.consent import opted_out
from service.store.keys import Keys
from service.store.leases import Claim, Lease, LeaseLost, claim, finish, renew
from service.store.records import Effect, EventRecord, HandlerRecord

log = structlog.get_logger(__name__)

RECORDING_PAUSE = 0.2


@dataclass(frozen=True, slots=True)
class _Running:
    lease: Lease
    task: "asyncio.Task[Any]"


@dataclass(frozen=True)
class Processor:
    """What a worker needs to process events; `running` are the leases it holds, by event id."""

    settings: Settings
    router: Router
    redis: "Redis"
    handlers_redis: "Redis"
    keys: Keys
    telnyx: AsyncTelnyx
    states: Mapping[Lifespan, Any]
    metrics: HandlerMetrics
    running: dict[str, _Running] = field(default_factory=dict)

    async def claim(self, *, limit: int, only: str | None = None) -> Claim:
        """Take due events."""
        routes = {name: list(each.types) for name, each in self.router.subscriptions.items()}
        return await claim(self.redis, self.keys, lease=self.settings.lease, limit=limit, routes=routes, only=only)

    async def handle(self, lease: Lease) -> None:
        """Run what is due of a claimed event, and give the lease back.

        Cancelled (at shutdown), it hands the event back: what had not ended runs again, at no cost of an attempt.
        """
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a coroutine always runs in one
        self.running[lease.record.id] = _Running(lease, task)
        try:
            await self._run_due(lease)
        except LeaseLost:
            log.warning("lease lost, nothing recorded", event_id=lease.record.id)
        except asyncio.CancelledError:
            await asyncio.shield(self.hand_back(lease))
        finally:
            self.running.pop(lease.record.id, None)

    async def keep_leases(self) -> None:
        """Renew what runs, for ever; whoever lost a lease is stopped."""
        while True:
            await asyncio.sleep(self.settings.lease / 3)
            held = list(self.running.values())
            with contextlib.suppress(RedisError, OSError):
                lost = await renew(self.redis, self.keys, [each.lease for each in held], lease=self.settings.lease)
                for each in held:
                    if each.lease.record.id in lost:
                        each.task.cancel()

    async def _run_due(self, lease: Lease) -> None:
        handlers = lease.record.handlers.items()
        due = [name for name, each in handlers if not each.ended and each.due <= lease.claimed_at]
        runs = {asyncio.create_task(self._run_handler(lease, name)): name for name in due}
        if not runs:
            await self._record(lease, {}, release=True)
        try:
            pending = set(runs)
            while pending:
                finished, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                ended = {runs[task]: task.result() for task in finished}
                await self._record(lease, ended, release=not pending)
        finally:
            await _stop(set(runs))

    async def _run_handler(self, lease: Lease, name: str) -> HandlerRecord:
        record, before = lease.record, lease.record.handlers[name]
        bound = log.bind(event_id=record.id, type=record.type, handler=name, attempt=before.attempts + 1)
        subscription = self.router.subscriptions.get(name)
        if subscription is None:
            return _told(bound, unknown_handler(before, lease.now()), lease)
        effects: list[Effect] = []
        effects_of_this_run.set(effects)
        began = time.perf_counter()
        error = await self._error_of(record, subscription, bound)
        await self._note_stop(error)
        noted = replace(before, effects=(*before.effects, *effects))
        if error is None:
            after = done(noted, lease.now())
        else:
            after = after_error(noted, error, self._limits(subscription), lease.now())
        self.metrics.count(name, after, time.perf_counter() - began)
        return _told(bound, after, lease)

    async def _error_of(self, record: EventRecord, subscription: Subscription, bound: Any) -> BaseException | None:
        """Run the handler; whatever it raises comes back as a value, unless it is a cancellation of ours."""
        try:
            event = _typed_event(record, subscription)
            async with asyncio.timeout(subscription.timeout or self.settings.handler_timeout):
                await subscription.handler(event, self._context(event, record, subscription, bound))
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            return error
        except (Exception, SystemExit, KeyboardInterrupt, GeneratorExit) as error:  # noqa: BLE001
            return error
        return None

    def _context(self, event: Event[Any], record: EventRecord, subscription: Subscription, bound: Any) -> Context:
        effect_key = f"{event.id}/{subscription.name}"
        return Context(
            telnyx=self.telnyx,
            redis=self.handlers_redis,
            log=bound,
            attempt=record.handlers[subscription.name].attempts + 1,
            settings=self.settings,
            state=self.states.get(subscription.lifespan) if subscription.lifespan else None,
            effect_key=effect_key,
            **self._actions(record, effect_key),
        )

    def _actions(self, record: EventRecord, effect_key: str) -> dict[str, Any]:
        event = read_event(record.id, record.type, record.body or b"{}", record.arrived_by)
        derived = DerivedEvents(self.handlers_redis, self.keys, remember=self.settings.retention)
        answer = Answer(event, effect_key, self.telnyx, self.handlers_redis, self.keys)
        return {
            "reply": answer.reply,
            "opted_out": partial(opted_out, self.handlers_redis, self.keys),
            "emit": derived.emit,
            "schedule": derived.schedule,
            "cancel": derived.cancel,
        }

    def _limits(self, subscription: Subscription) -> Limits:
        return Limits(
            max_attempts=subscription.max_attempts or self.settings.max_attempts,
            max_wait=self.settings.max_wait,
            outage_patience=self.settings.outage_patience,
        )

    async def _note_stop(self, error: BaseException | None) -> None:
        """A 40300 is the recipient's own word, told by Telnyx."""
        if isinstance(error, APIError) and STOP in codes(error):
            number = recipient(error)
            if number is not None:
                await note_stop(self.redis, self.keys, number)

    async def _record(self, lease: Lease, ended: Mapping[str, HandlerRecord], *, release: bool) -> None:
        """Record endings, for as long as it takes Redis to come back; the lease says whether they still count."""
        while True:
            try:
                await finish(self.redis, self.keys, lease, ended, release=release)
            except (RedisError, OSError) as error:
                log.warning("Redis is away, the outcome waits", event_id=lease.record.id, error=type(error).__name__)
                await asyncio.sleep(RECORDING_PAUSE)
            else:
                return

    async def hand_back(self, lease: Lease) -> None:
        """Give a lease back with nothing to record; where that fails, it lapses by itself."""
        with contextlib.suppress(LeaseLost, RedisError, OSError):
            await finish(self.redis, self.keys, lease, {}, release=True)
            log.info("handed back", event_id=lease.record.id)


@asynccontextmanager
async def open_processor(
    settings: Settings, router: Router, redis: "Redis", handlers_redis: "Redis", metrics: HandlerMetrics
) -> AsyncIterator[Processor]:
    """A processor with its client, its routers' lifespans and its lease keeper, until the block ends."""
    async with AsyncExitStack() as stack:
        telnyx = open_client(settings)
        stack.push_async_callback(telnyx.close)
        lifespans = {each.lifespan for each in router.subscriptions.values() if each.lifespan}
        states = {lifespan: await stack.enter_async_context(lifespan()) for lifespan in lifespans}
        processor = Processor(
            settings, router, redis, handlers_redis, Keys(settings.namespace), telnyx, states, metrics
        )
        keeper = asyncio.create_task(processor.keep_leases())
        stack.push_async_callback(_stop, {keeper})
        yield processor


def _typed_event(record: EventRecord, subscription: Subscription) -> Event[Any]:
    event = read_event(record.id, record.type, record.body or b"{}", record.arrived_by)
    if subscription.payload is None:
        return event
    try:
        payload = subscription.payload.validate_python(event.payload)
    except ValidationError as error:
        raise UnfitPayload(error) from None
    return replace(event, payload=payload)


def _told(bound: Any, record: HandlerRecord, lease: Lease) -> HandlerRecord:
    if record.state == "done":
        bound.info("handler done", reason=record.reason)
    elif record.state == "dead":
        bound.error("handler dead", reason=record.reason, error=record.error)
    else:
        wait = max(0, record.due - lease.now()) / 1000
        bound.warning("handler again later", reason=record.reason, error=record.error, seconds=round(wait, 1))
    return record


async def _stop(tasks: "set[asyncio.Task[Any]]") -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
