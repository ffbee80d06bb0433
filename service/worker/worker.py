"""The worker: arq's, with claims in batches under leases."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from contextvars import copy_context
from functools import partial
from signal import Signals, signal
from typing import Any, TypeVar

import arq.worker
import orjson
import structlog
from redis.asyncio import Redis
from redis.exceptions import AuthenticationError, RedisError

from service.monitoring.notifications import NotificationSender, open_teller
from service.routing import Router
from service.security.masking import describe_error
from service.settings import Settings
from service.store.batching import BatchingStore
from service.store.connection import address_of, connect, server_time
from service.store.inbox.dead_letters import quarantine
from service.store.inbox.leases import Lease
from service.store.inbox.silence import latest_silence
from service.store.keys import Keys
from service.store.permissions import refusals, worker_needs
from service.store.redis_errors import describe_redis_error
from service.store.server_checks import check_server, describe_refusals, require_usable
from service.store.store import ARQ_JOB, Store, check_cancelled, end_task
from service.worker import arq_compat
from service.worker.abandonment import abandonment
from service.worker.claims import MAX_WAIT, MIN_WAIT, Claims
from service.worker.maintenance import Maintenance
from service.worker.metrics import HandlerMetrics
from service.worker.open_processor import open_processor
from service.worker.processor import Processor
from service.worker.readiness import BlockMetrics, serving_health
from service.worker.startup_warnings import warnings_for

log = structlog.get_logger(__name__)
T = TypeVar("T")

MAX_PAUSE = 1.0
CRON_INTERVAL = 0.5
STOP_TIMEOUT = 5.0
"""Seconds for handing back unfinished events after the grace."""


class Worker(arq.worker.Worker):
    """arq's worker, which claims our events in batches. Cron jobs and plain arq functions go arq's own way."""

    def __init__(self, settings: Settings, router: Router, redis_url: str, **options: Any) -> None:
        self._keys = Keys(settings.namespace)
        if "cron_jobs" in options:
            options["cron_jobs"] = arq_compat.in_deployment(options["cron_jobs"], self._keys)
        super().__init__(**{**arq_compat.arq_options(settings, router), **options})
        self._settings, self._most = settings, 2 * self.max_jobs + 10
        self._router = router.configured(settings)
        self._redis_url = redis_url
        self._stack = AsyncExitStack()
        self._metrics = HandlerMetrics()
        self._cron_at = float("-inf")
        self._processor: Processor | None = None
        self.redis_returned = asyncio.Event()
        """Set when Redis answers again after an outage."""
        self._started_at = 0
        for hook in ("on_job_start", "on_job_end", "after_job_end"):
            setattr(self, hook, arq_compat.contained(getattr(self, hook)))

    async def main(self) -> None:
        """Work until cancelled. An outage of Redis is waited out."""
        settings, registry = self._settings, self._metrics.registry
        self._open_pools()
        probing_store = Store.of(self._connect(arq_compat.COMMAND_TIMEOUT, connections=2), settings)
        await self._stack.enter_async_context(serving_health(settings, self._store, probing_store, registry))
        self._started_at = await self._retry(partial(server_time, probing_store.redis))
        await self._retry(self._check_server)
        handlers_store = BatchingStore.of(self._connect(arq_compat.COMMAND_TIMEOUT, connections=self._most), settings)
        opened = open_processor(
            settings,
            self._router,
            self._redis_url,
            store=self._store,
            handlers_store=handlers_store,
            metrics=self._metrics,
        )
        self._processor = await self._stack.enter_async_context(opened)
        self._claims = Claims(
            self.processor,
            self._waiting,
            self.tasks,
            max_jobs=self.max_jobs,
            is_open=lambda: self.allow_pick_jobs,
            burst=self.burst,
        )
        await self._retry(self.processor.ordering.register)
        maintenance = Maintenance(settings, self._store, self.processor.leases.worker, BlockMetrics(registry))
        sender = NotificationSender(self._store, open_teller(settings), maintenance.notices_due)
        for work in (maintenance.run_forever(), sender.keep_telling()):
            self._stack.push_async_callback(end_task, self.loop.create_task(work))
        await self._retry(self._warn)
        log.info(
            "worker ready", handlers=sorted(name for name, each in self._router.subscriptions.items() if each.types)
        )
        try:
            while not await self._retry(self._run_once):
                check_cancelled()
        finally:
            await self._claims.hand_back()

    async def _check_server(self) -> None:
        """Refuse a server that cannot be used. Log refused commands, since no waiting changes that."""
        await require_usable(self.pool)
        if trouble := describe_refusals(self.pool, await refusals(self._store, worker_needs())):
            log.error(trouble)

    async def _warn(self) -> None:
        """Log risks, and features that are not armed."""
        silence = await latest_silence(self._store)
        if silence is not None and silence.until >= self._started_at:
            log.warning(silence.description)
        found = await check_server(self.pool)
        for warning in [*warnings_for(self._router, self._settings), *found.risks, *found.warnings]:
            log.warning(warning)

    async def close(self) -> None:
        """Hand back running events, then close what the worker opened."""
        if self._processor is not None:
            self._processor.ordering.stop()
        running = list(self.tasks.values())
        for task in running:
            task.cancel()
        if running:
            await asyncio.wait(running, timeout=STOP_TIMEOUT)
        # After the tasks have ended: only events that no task hands back are left. The pools close last.
        if self._processor is not None:
            await self._processor.hand_back_rest()
        await self._stack.aclose()
        self._pool = None

    @property
    def processor(self) -> Processor:
        """The processor, which `main` opens first of all.

        Raises:
            RuntimeError: it is not open yet.
        """
        if self._processor is None:
            raise RuntimeError("the worker has not started")
        return self._processor

    def _open_pools(self) -> None:
        """Open pools for commands and for waiting. The probe and handlers have others, so that none starves another."""
        self._waiting = Store.of(self._connect(MAX_WAIT + 2, connections=4), self._settings)
        self._pool = arq_compat.DeploymentRedis(
            self._connect(arq_compat.COMMAND_TIMEOUT, connections=self._most).connection_pool,
            job_serializer=arq_compat.serialize,
            job_deserializer=orjson.loads,
            default_queue_name=self.queue_name,
        )
        self.ctx["redis"], self._store = self._pool, BatchingStore.of(self._pool, self._settings)

    def _connect(self, timeout: float, *, connections: int) -> "Redis":
        redis = connect(self._redis_url, timeout=timeout, connections=connections)
        self._stack.push_async_callback(redis.aclose)
        return redis

    async def _retry(self, step: Callable[[], Awaitable[T]]) -> T:
        """Take a step, repeatedly while Redis cannot be reached. Only wrong credentials end the worker."""
        pause, failed = 0.05, False
        while True:
            try:
                answer = await step()
            except AuthenticationError:
                raise
            except (RedisError, OSError) as error:
                failed = True
                log.warning(describe_redis_error(error, address_of(self._waiting.redis)), again_in=pause)
                check_cancelled()
                await asyncio.sleep(pause)
                pause = min(2 * pause, MAX_PAUSE)
            else:
                if failed:
                    self.redis_returned.set()
                return answer

    async def _run_once(self) -> bool:
        """Claim due events, or wait for them. Return whether a burst is over."""
        self._reap()
        await (self._start_claimed() if self._claims.are_due() else self._await_room())
        if time.monotonic() - self._cron_at >= CRON_INTERVAL:
            # arq's cron jobs and its health check.
            self._cron_at = time.monotonic()
            await self.heart_beat()
        if self.burst:
            await asyncio.sleep(0)
            return not self.tasks and await self.pool.zcard(self.queue_name) == 0
        return False

    def _start(self, lease: Lease) -> None:
        job_id = self._keys.job_id(lease.record.id)
        self.tasks[job_id] = task = self.loop.create_task(self.processor.handle(lease))
        task.add_done_callback(partial(self._forget, job_id))

    async def _start_claimed(self) -> None:
        claimed = await self._claims.take()
        self.processor.ordering.begin(claimed.leases, self._start)
        await self._start_foreign(claimed.foreign)
        for odd in claimed.unreadable:
            await self._keep_as_dead(odd, arq_compat.UNREADABLE)

    def _forget(self, job_id: str, task: "asyncio.Task[None]") -> None:
        """Forget an ended task. Its event may run again already, in another task."""
        self.processor.leases.room.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("processing broke", job=job_id, error=describe_error(error))
        if self.tasks.get(job_id) is task:
            del self.tasks[job_id]

    async def _start_foreign(self, jobs: list[str]) -> None:
        """Let arq run its own jobs. Keep as dead what nobody here can run."""
        for job in jobs:
            if job in self.tasks:
                continue
            asked = arq_compat.asked_function(await self.pool.get(ARQ_JOB + job))
            if asked.name in self.functions and asked is not arq_compat.NO_EVENT:
                await self.start_jobs([job.encode()])
                if (task := self.tasks.get(job)) is not None:
                    task.add_done_callback(lambda _: self.processor.leases.room.set())
            else:
                await self._keep_as_dead(job, asked)

    async def _keep_as_dead(self, job: str | bytes, asked: arq_compat.ForeignJob) -> None:
        if await quarantine(self._store, job, asked.reason, asked.detail):
            log.error("a foreign job in our queue is kept as dead", job=str(job), reason=asked.reason)

    async def _await_room(self) -> None:
        if self.tasks and not self.burst:
            await self.processor.leases.await_room(MAX_WAIT)
        else:
            await asyncio.sleep(MIN_WAIT)

    def _add_signal_handler(self, signum: Signals, handler: Callable[[Signals], None]) -> None:
        # In the context of now: in an interrupted handler's, the tasks of the stop would count as its own.
        call = partial(self.loop.call_soon_threadsafe, handler, signum, context=copy_context())
        # The loop would take a handler of its own away as it ends, and leave the default, which kills.
        signal(signum, lambda *_: call())

    def handle_sig_wait_for_completion(self, signum: Signals) -> None:
        """Announce the stop before anything else, so that a cut-off run counts against no event.

        A second signal changes nothing.
        """
        if not self.allow_pick_jobs:
            return
        log.info("stopping", running=len(self.tasks), grace=self._job_completion_wait)
        if self._processor is not None:
            self._announcing = self.loop.create_task(self._processor.announce_stop())
            self._abandoning = self.loop.create_task(self._end_if_abandoned())
        super().handle_sig_wait_for_completion(signum)

    async def _end_if_abandoned(self) -> None:
        """End at once, without the grace, where no result can be recorded any more."""
        await abandonment(self._settings)
        log.warning("ringback up and its server are gone: interrupted events run again", running=len(self.tasks))
        # So nothing is handed back: nobody would take it.
        self.processor.leases.stopping = False
        if self.main_task is not None:
            self.main_task.cancel()

    def _reap(self) -> None:
        """Forget ended tasks. An error that gets here belongs to arq's own jobs or hooks."""
        for job_id, task in list(self.tasks.items()):
            if task.done():
                self.tasks.pop(job_id, None)
                if not task.cancelled() and (error := task.exception()) is not None:
                    log.error("a job broke", job=job_id, error=type(error).__name__)
