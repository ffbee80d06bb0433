"""Code that exists only for arq: its options and cron jobs, stock arq's worker, and foreign jobs in our queue.

Stock arq drains the same queue with `arq service.worker.WorkerSettings`, more slowly: `process` then takes the lease.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import UTC
from typing import Any, ClassVar
from urllib.parse import unquote

import arq.worker
import orjson
import structlog
from arq.connections import ArqRedis, RedisSettings
from arq.constants import abort_jobs_ss
from arq.cron import CronJob, cron
from redis.asyncio.client import Pipeline
from redis.typing import EncodableT, KeyT

from service.handler_checks import Times
from service.messages.policy_file import policy_of
from service.processes.redis_url import is_cluster_url
from service.routing import CRON, Router
from service.security.masking import describe_error
from service.settings import InvalidSettings, Settings, load
from service.store.connection import connect, locate
from service.store.inbox.accept import NewEvent, accept, find
from service.store.keys import Keys
from service.store.store import Store
from service.worker.load_router import load_router
from service.worker.metrics import HandlerMetrics
from service.worker.open_processor import open_processor
from service.worker.processor import Processor


def cron_jobs(router: Router, settings: Settings) -> list[CronJob]:
    """Return one job for each periodic handler of the router, under a name of this deployment."""
    return in_deployment(
        (_cron_job(name, times, settings) for name, times in router.periodic.items()), Keys(settings.namespace)
    )


def in_deployment(jobs: Iterable[CronJob], keys: Keys) -> list[CronJob]:
    """Return copies of jobs under names and ids of this deployment: arq's keys are global, equal ones would collide."""
    return [replace(job, name=keys.job_id(job.name), job_id=job.job_id and keys.job_id(job.job_id)) for job in jobs]


def _cron_job(name: str, times: Mapping[str, Times], settings: Settings) -> CronJob:
    async def raise_event(ctx: dict[str, Any]) -> None:
        # arq ends the job's id with the time it is for, so that all workers speak of the same event.
        _, _, milliseconds = ctx["job_id"].rpartition(":")
        identity, due = f"cron:{name}:{milliseconds}", int(milliseconds) / 1000
        event = NewEvent.derived(identity, CRON + name, {}, "cron", at=due)
        await accept(Store.of(ctx["redis"], settings), [event])

    # Not the event's own name: arq, done with this job, would delete the event's beside it.
    return cron(raise_event, name=f"raise:{name}", **_in_arqs_types(times))


def _in_arqs_types(times: Mapping[str, Times]) -> dict[str, Any]:
    """Return plain sets: at its first heart beat arq refuses other kinds, which ends the worker."""
    return {unit: set(wanted) if isinstance(wanted, AbstractSet) else wanted for unit, wanted in times.items()}


class _Pipeline(Pipeline):
    """A pipeline that leaves out arq's list of aborted jobs, whose one name all deployments share.

    No job is ever aborted here. In a cluster the list lies in another slot, so a transaction with it is refused.
    """

    def zrem(self, name: KeyT, *values: EncodableT) -> Any:
        return self if name == abort_jobs_ss else super().zrem(name, *values)


class DeploymentRedis(ArqRedis):
    """arq's client, which names keys of this deployment only."""

    _pipeline: ClassVar[type[_Pipeline]] = _Pipeline

    def pipeline(self, transaction: bool = True, shard_hint: str | None = None) -> Pipeline:  # noqa: FBT001, FBT002 - redis-py's signature
        """Return a pipeline without arq's list of aborted jobs."""
        return self._pipeline(self.connection_pool, self.response_callbacks, transaction, shard_hint)


class _StockPipeline(_Pipeline):
    """A pipeline that finds a job for each event in the queue. Redis holds only the event's record."""

    async def execute(self, raise_on_error: bool = True) -> list[Any]:  # noqa: FBT001, FBT002 - redis-py's signature
        """Run the commands. arq reads jobs by GET alone, and a missing one is that of an event."""
        are_reads = [args[0] == "GET" for args, _ in self.command_stack]
        answers = await super().execute(raise_on_error)
        return [
            EVENT_JOB if is_read and each is None else each for is_read, each in zip(are_reads, answers, strict=True)
        ]


class StockRedis(DeploymentRedis):
    """The client of stock arq."""

    _pipeline = _StockPipeline


log = structlog.get_logger(__name__)

Hook = Callable[[dict[str, Any]], Awaitable[None]]

COMMAND_TIMEOUT = 5.0
"""Seconds that Redis may take to answer a command."""
OUT_OF_REACH = 1_000_000_000
"""arq's own count of tries must never end a job: how an event ends is decided by its record alone."""
TIMEOUT_MARGIN = 60.0
FOREIGN_HANDLER = "queue"
"""The handler's name in the dead event that keeps such a job (`quarantine.lua`)."""


@dataclass(frozen=True, slots=True)
class ForeignJob:
    """The function that a job asks for, if any. `reason` and `detail` apply where nobody here knows it."""

    name: str | None
    reason: str
    detail: str


EVENT_JOB = b'{"t":null,"f":"process","a":[],"k":{},"et":0}'
"""The job of an event, as stock arq reads it. Its id names the event."""

NO_EVENT = ForeignJob("process", "no_event", "it asks to process an event that has no record")

UNREADABLE = ForeignJob(None, "corrupt_job", "its id is no text in UTF-8, so that it is no job of anybody's")


def asked_function(data: bytes | None) -> ForeignJob:
    """Read a job's data, which anybody may have written: JSON only, never a pickle."""
    if data is None:
        return ForeignJob(None, "no_job", "the queue names it, and there is neither an event nor a job behind it")
    try:
        function = orjson.loads(data)["f"]
    except (ValueError, TypeError, KeyError):
        return ForeignJob(None, "corrupt_job", "its data is not the JSON of a job, and pickles are never read")
    if not isinstance(function, str):
        return ForeignJob(None, "corrupt_job", "its data names no function")
    if function == NO_EVENT.name:
        return NO_EVENT
    return ForeignJob(function, "unknown_function", f"no function of the name {function[:80]!r} is known here")


async def process(ctx: dict[str, Any]) -> None:
    """Process one event as a job of stock arq, under a lease taken here.

    Ends in arq's Retry, which leaves the queue alone: the scripts have already put the event where it belongs. Where
    there is no such event, it returns. Then arq takes the job out of the queue.
    """
    processor: Processor = ctx["processor"]
    event_id = ctx["job_id"].removeprefix(processor.store.keys.job_id(""))
    number = processor.leases.start_claim()
    try:
        alone = not processor.leases.running
        claimed = await processor.claim(number, limit=1, alone=alone, only=event_id)
    finally:
        processor.leases.abandon_claim(number)
    for lease in claimed.leases:
        await processor.handle(lease)
    if claimed.leases or await find(processor.store, event_id) is not None:
        raise arq.worker.Retry


def serialize(job: dict[str, Any]) -> bytes:
    """Return JSON for the queue, never a pickle. Values that JSON does not know become their type's name."""
    return orjson.dumps(job, default=lambda value: type(value).__name__)


def arq_options(settings: Settings, router: Router) -> dict[str, Any]:
    """Return the options of arq's worker that keep its own opinions out of the way."""
    timeouts = [each.timeout or settings.handler_timeout for each in router.subscriptions.values()]
    return {
        "functions": [process],
        "cron_jobs": cron_jobs(router, settings),
        "timezone": UTC,
        "queue_name": Keys(settings.namespace).queue,
        "max_jobs": settings.concurrency,
        "max_tries": OUT_OF_REACH,
        "keep_result": 0,
        "job_timeout": max(timeouts, default=settings.handler_timeout) + TIMEOUT_MARGIN,
        "job_completion_wait": max(1, int(settings.grace)),
        "job_serializer": serialize,
        "job_deserializer": orjson.loads,
        "health_check_interval": 30,
    }


def stock_settings(settings: Settings, router: Router, redis_url: str) -> dict[str, Any]:
    """Return the settings under which stock arq drains the queue."""
    stack, router = AsyncExitStack(), router.configured(settings)
    connections = 2 * settings.concurrency + 10

    async def on_startup(ctx: dict[str, Any]) -> None:
        redis = connect(redis_url, timeout=COMMAND_TIMEOUT, connections=connections)
        stack.push_async_callback(redis.aclose)
        store = Store.of(redis, settings)
        ctx["processor"] = processor = await stack.enter_async_context(
            open_processor(settings, router, redis_url, store=store, handlers_store=store, metrics=HandlerMetrics())
        )
        await processor.ordering.register()

    async def on_shutdown(ctx: dict[str, Any]) -> None:  # noqa: ARG001 - arq's signature
        await stack.aclose()

    return {
        **arq_options(settings, router),
        # For arq's own --check. The worker takes the pool.
        "redis_settings": _redis_settings(redis_url),
        "redis_pool": StockRedis(
            connect(redis_url, timeout=COMMAND_TIMEOUT, connections=connections).connection_pool,
            job_serializer=serialize,
            job_deserializer=orjson.loads,
            default_queue_name=Keys(settings.namespace).queue,
        ),
        "on_startup": on_startup,
        "on_shutdown": on_shutdown,
    }


def _redis_settings(redis_url: str) -> RedisSettings:
    """Return arq's form of a URL. arq does not decode the path of a socket.

    Raises:
        InvalidSettings: the URL names a cluster, which arq's own worker cannot use.
    """
    if is_cluster_url(redis_url):
        raise InvalidSettings("REDIS_URL: arq's own worker cannot use a cluster: start ringback worker in its place")
    settings = RedisSettings.from_dsn(redis_url)
    if settings.unix_socket_path is not None:
        settings.unix_socket_path = unquote(settings.unix_socket_path)
    return settings


def worker_settings() -> dict[str, Any]:
    """Return what stock arq needs to run our handlers, by the settings of this environment."""
    settings = load()
    policy_of(settings.policy, settings.sms_from)
    return stock_settings(settings, load_router(settings.handlers), locate(settings))


def contained(hook: Hook | None) -> Hook | None:
    """Return a hook whose errors are logged: they must neither end the worker nor strand the job."""
    if hook is None:
        return None

    async def run(ctx: dict[str, Any]) -> None:
        try:
            await hook(ctx)
        except Exception as error:  # noqa: BLE001 - the author's own code
            where = describe_error(error)
            log.error("a hook broke", job=ctx.get("job_id"), error=where)

    return run
