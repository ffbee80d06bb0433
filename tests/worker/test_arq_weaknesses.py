"""Each way in which plain arq 0.28 was measured to lose or delay work: shown on plain arq, and not happening here."""

import asyncio
import pickle
import time
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import arq
import arq.worker
import orjson
import pytest
from arq.connections import ArqRedis, RedisSettings
from redis.exceptions import ConnectionError as RedisConnectionError

from service import Context, Event, Router
from service.processes.embedded_server import EmbeddedServer
from service.security.encryption import PLAIN
from service.store.inbox.accept import NewEvent, accept
from service.store.inbox.leases import ClaimRequest, claim
from service.store.store import Store
from tests.pending import pending
from tests.stack import Stack
from tests.telnyx_events import envelope, fresh_number
from tests.waiting import wait_for

pytestmark = [
    pytest.mark.filterwarnings("ignore:Call to deprecated close:DeprecationWarning"),  # arq's own
    pytest.mark.one_server("arq itself cannot use a cluster, and wants rights of its own"),
]

PlainArq = Callable[[ArqRedis, str], Awaitable[None]]


def something() -> dict[str, Any]:
    return envelope("test.something", {"number": fresh_number()})


def counting(runs: list[str]) -> Router:
    router = Router()

    @router.on("test.something")
    async def count(event: Event, ctx: Context) -> None:
        runs.append(event.id)

    return router


def on_plain_arq(stack: Stack, scenario: PlainArq) -> None:
    """Run something against arq as it comes, in a queue of its own."""

    async def run() -> None:
        redis = await arq.create_pool(RedisSettings.from_dsn(stack.host.redis_url))
        try:
            await scenario(redis, f"plain{uuid.uuid4().hex[:8]}")
        finally:
            await redis.aclose(close_connection_pool=True)

    stack.host.portal.call(run)


def plain_worker(redis: ArqRedis, queue: str, *functions: Any, **options: Any) -> arq.worker.Worker:
    return arq.worker.Worker(functions, redis_pool=redis, queue_name=queue, handle_signals=False, **options)


async def finished(worker: arq.worker.Worker) -> None:
    await asyncio.gather(*worker.tasks.values(), return_exceptions=True)


def test_an_ordinary_exception(stack: Stack) -> None:
    async def plain(redis: ArqRedis, queue: str) -> None:
        runs: list[int] = []

        async def fail(ctx: Any) -> None:
            runs.append(1)
            raise ValueError

        await redis.enqueue_job("fail", _queue_name=queue)
        worker = plain_worker(redis, queue, arq.func(fail, name="fail"), burst=True)
        await worker.main()
        assert (len(runs), await redis.zcard(queue)) == (1, 0), "ended on the first try"

    on_plain_arq(stack, plain)

    runs: list[int] = []
    router = Router()

    @router.on("test.something")
    async def fail_once(event: Event, ctx: Context) -> None:
        runs.append(ctx.attempt)
        if len(runs) == 1:
            raise ValueError

    stack.start_worker(router)
    event = something()
    stack.deliver(event)
    assert stack.ended(event).state == "done"
    assert runs == [1, 2]


async def broken_hook(ctx: dict[str, Any]) -> None:
    raise ValueError("hook")


@pytest.mark.parametrize("hook", ["on_job_start", "on_job_end", "after_job_end"])
def test_an_exception_in_a_hook(stack: Stack, hook: str) -> None:
    async def plain(redis: ArqRedis, queue: str) -> None:
        async def work(ctx: Any) -> None: ...

        await redis.enqueue_job("work", _queue_name=queue)
        worker = plain_worker(redis, queue, arq.func(work, name="work"), **{hook: broken_hook})
        await worker._poll_iteration()
        await finished(worker)
        with pytest.raises(ValueError, match="hook"):
            await worker._poll_iteration()

    on_plain_arq(stack, plain)

    done = asyncio.Event()

    async def work(ctx: Any) -> None:
        done.set()

    runs: list[str] = []
    functions = [*stack_functions(stack), arq.func(work, name="work")]
    worker = stack.start_worker(counting(runs), worker_options={hook: broken_hook, "functions": functions})

    async def enqueue(store: Store) -> None:
        pool = ArqRedis(store.redis.connection_pool, job_serializer=orjson.dumps)
        await pool.enqueue_job("work", _queue_name=store.keys.queue)

    stack.ask(enqueue)
    wait_for(done.is_set)
    event = something()
    stack.deliver(event)
    assert stack.ended(event).state == "done"
    wait_for(lambda: not worker.tasks)
    assert stack.ask(lambda store: store.redis.zcard(store.keys.queue)) == 0


def stack_functions(stack: Stack) -> list[Any]:
    from service.worker.arq_compat import arq_options

    return list(arq_options(stack.settings, Router())["functions"])


@pytest.mark.slow
def test_a_hundred_jobs_orphaned_by_crashes(stack: Stack) -> None:
    async def plain(redis: ArqRedis, queue: str) -> None:
        runs: list[int] = []

        async def work(ctx: Any) -> None:
            runs.append(1)

        for n in range(100):
            await redis.enqueue_job("work", _queue_name=queue, _job_id=f"{queue}-{n}")
            await redis.set(f"arq:in-progress:{queue}-{n}", b"1", ex=300)
            # Older for certain: within one millisecond the queue would sort them and the new job by name.
            await redis.zadd(queue, {f"{queue}-{n}": n + 1})
        await redis.enqueue_job("work", _queue_name=queue)
        worker = plain_worker(redis, queue, arq.func(work, name="work"))
        for _ in range(20):
            await worker._poll_iteration()
        await finished(worker)
        assert runs == [], "an idle worker never takes the new job"

    on_plain_arq(stack, plain)

    orphans = [f"orphan-{n}" for n in range(100)]

    async def orphan(store: Store) -> None:
        await accept(store, [NewEvent(each, "test.something", b"{}", "webhook") for each in orphans])
        request = ClaimRequest("a-crashed-worker", 1, lease=2, limit=100, routes={"count": ["test.something"]})
        assert len((await claim(store, request)).leases) == 100

    stack.ask(orphan)
    runs: list[str] = []
    stack.start_worker(counting(runs))
    began = time.monotonic()
    event = something()
    stack.deliver(event)
    stack.ended(event)
    assert time.monotonic() - began < 1.5, "the new event does not wait for the orphans' lease"
    for each in orphans:
        assert stack.ended(each).state == "done"
    assert time.monotonic() - began < 2 + 2
    assert len(runs) == 101


def test_a_job_older_than_a_day(stack: Stack) -> None:
    async def plain(redis: ArqRedis, queue: str) -> None:
        runs: list[int] = []

        async def work(ctx: Any) -> None:
            runs.append(1)

        job = await redis.enqueue_job("work", _queue_name=queue)
        assert job is not None
        assert 0 < await redis.pttl(f"arq:job:{job.job_id}") <= 86_400_000
        await redis.pexpire(f"arq:job:{job.job_id}", 0)
        await plain_worker(redis, queue, arq.func(work, name="work"), burst=True).main()
        assert (runs, await redis.zcard(queue)) == ([], 0), "silently dropped"

    on_plain_arq(stack, plain)

    event = something()
    stack.deliver(event)
    record = stack.keys.event(event["data"]["id"])
    assert stack.ask(lambda store: store.redis.pttl(record)) == -1, "it does not expire"
    runs: list[str] = []
    stack.start_worker(counting(runs))
    assert stack.ended(event).state == "done", "and the record alone is enough"


@pytest.mark.slow
def test_rolling_restarts(stack: Stack) -> None:
    async def plain(redis: ArqRedis, queue: str) -> None:
        runs: list[int] = []

        async def work(ctx: Any) -> None:
            runs.append(1)
            await asyncio.Event().wait()

        await redis.enqueue_job("work", _queue_name=queue)
        for _ in range(6):
            worker = plain_worker(redis, queue, arq.func(work, name="work"))
            await worker._poll_iteration()
            await asyncio.sleep(0.02)
            for task in worker.tasks.values():
                task.cancel()
            await finished(worker)
        assert (len(runs), await redis.zcard(queue)) == (5, 0), "lost: max retries exceeded"

    on_plain_arq(stack, plain)

    attempts: list[int] = []
    router = Router()

    @router.on("test.something")
    async def slow(event: Event, ctx: Context) -> None:
        attempts.append(ctx.attempt)
        if len(attempts) <= 10:
            await asyncio.Event().wait()

    event = something()
    stack.deliver(event)
    for restart in range(1, 11):
        stack.start_worker(router)
        wait_for(lambda: len(attempts) == restart)
        stack.workers.close()
    stack.start_worker(router)
    record = stack.ended(event)
    assert (record.state, record.handlers["slow"].attempts, attempts) == ("done", 0, [1] * 11)


def test_the_same_id_after_its_result_expired(stack: Stack) -> None:
    async def plain(redis: ArqRedis, queue: str) -> None:
        runs: list[int] = []

        async def work(ctx: Any) -> None:
            runs.append(1)

        for _ in range(2):
            await redis.enqueue_job("work", _queue_name=queue, _job_id=queue)
            await plain_worker(redis, queue, arq.func(work, name="work"), burst=True, keep_result=0).main()
        assert len(runs) == 2, "runs again"

    on_plain_arq(stack, plain)

    runs: list[str] = []
    stack.start_worker(counting(runs))
    event = something()
    stack.deliver(event)
    stack.ended(event)
    assert stack.deliver(event).json() == {"status": "duplicate"}
    assert runs == [event["data"]["id"]]


class Bomb:
    """What unpickling would run."""

    def __reduce__(self) -> Any:
        return (pytest.fail, ("a pickle was read",))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (pickle.dumps({"t": 1, "f": "process", "a": (Bomb(),), "k": {}, "et": 1}), "corrupt_job"),
        (b"\x00\xff not json", "corrupt_job"),
        (b'{"f": 5}', "corrupt_job"),
        (b'{"t":null,"f":"somebody_elses","a":[],"k":{},"et":1}', "unknown_function"),
        (b'{"t":null,"f":"process","a":["no-such-event"],"k":{},"et":1}', "no_event"),
        (None, "no_job"),
    ],
    ids=["pickle", "garbage", "no function", "unknown function", "no such event", "no data"],
)
def test_a_foreign_or_corrupt_job_in_our_queue(stack: Stack, data: bytes | None, reason: str) -> None:
    job = f"foreign-{uuid.uuid4().hex}"

    async def plant(store: Store) -> None:
        if data is not None:
            await store.redis.set(f"arq:job:{job}", data)
        await store.redis.zadd(store.keys.queue, {job: 1})

    stack.ask(plant)
    runs: list[str] = []
    stack.start_worker(counting(runs))
    event = something()
    stack.deliver(event)
    assert stack.ended(event).state == "done"
    kept = stack.ended(f"foreign:{job}")
    assert (kept.state, kept.handlers["queue"].reason) == ("dead", reason)
    assert kept.body == (data or b"")
    assert runs == [event["data"]["id"]]
    from service.store.inbox.audit import audit

    assert stack.ask(audit).clean


@pytest.mark.parametrize("with_event", [False, True])
def test_a_member_of_the_queue_that_is_no_text_is_kept_as_dead_alone(stack: Stack, with_event: bool) -> None:  # noqa: FBT001
    own = stack.keys.job_id("").encode() if with_event else b""
    job = own + b"\xff\xfe" + uuid.uuid4().hex.encode()

    async def plant(store: Store) -> None:
        await store.redis.zadd(store.keys.queue, {job: 1})
        if with_event:
            name: Any = store.keys.event("").encode() + job.removeprefix(own)
            await pending(store.redis.hset(name, mapping={"state": "open", "type": "t"}))

    stack.ask(plant)
    runs: list[str] = []
    stack.start_worker(counting(runs))
    event = something()
    stack.deliver(event)
    assert stack.ended(event).state == "done"
    kept = stack.ended("foreign:" + job.decode(errors="backslashreplace"))
    assert (kept.state, kept.handlers["queue"].reason) == ("dead", "corrupt_job")
    assert stack.ask(lambda store: store.redis.zscore(store.keys.queue, job)) is None
    assert runs == [event["data"]["id"]]


@pytest.mark.parametrize("namespace", ["ringback", "arq.queue", "a"])
def test_another_arq_application_on_the_same_redis_is_untouched(stack: Stack, namespace: str) -> None:
    own = f"{namespace}{uuid.uuid4().hex[:6]}"
    theirs: list[str] = []

    async def other_application(redis: ArqRedis, queue: str) -> None:
        async def work(ctx: Any, name: str) -> None:
            theirs.append(name)

        for name in ("first", "second"):
            await redis.enqueue_job("work", name, _queue_name=queue, _job_id=f"{queue}-{name}")
        event = something()
        arrival = NewEvent(event["data"]["id"], "test.something", orjson.dumps(event), "webhook")
        await accept(Store(stack.redis, own, PLAIN), [arrival])
        await plain_worker(redis, queue, arq.func(work, name="work"), burst=True).main()

    on_plain_arq(stack, other_application)
    runs: list[str] = []
    stack.start_worker(counting(runs), namespace=own)
    wait_for(lambda: runs)
    assert theirs == ["first", "second"]


def test_the_namespace_of_arq_itself_is_refused() -> None:
    from pydantic import ValidationError

    from tests.stack import make_settings

    with pytest.raises(ValidationError, match="arq application"):
        make_settings(namespace="arq")


def test_a_killed_worker_on_plain_arq_blocks_its_job_for_five_minutes(stack: Stack) -> None:
    """Ours resumes within the lease and two seconds: tests/guarantees/test_g06_kill_9_loses_nothing.py."""

    async def plain(redis: ArqRedis, queue: str) -> None:
        async def work(ctx: Any) -> None:
            await asyncio.Event().wait()

        job = await redis.enqueue_job("work", _queue_name=queue)
        assert job is not None
        worker = plain_worker(redis, queue, arq.func(work, name="work"))
        await worker._poll_iteration()
        assert 300_000 < await redis.pttl(f"arq:in-progress:{job.job_id}") <= 310_000
        for task in worker.tasks.values():
            task.cancel()
        await finished(worker)

    on_plain_arq(stack, plain)


def test_a_restart_of_redis_ends_a_plain_arq_worker(own_stack: Stack, own_server: EmbeddedServer) -> None:
    """Ours lives on: tests/guarantees/test_g07_redis_restarts.py."""

    async def plain(redis: ArqRedis, queue: str) -> None:
        async def work(ctx: Any) -> None: ...

        worker = plain_worker(redis, queue, arq.func(work, name="work"), poll_delay=0.01)
        running = asyncio.ensure_future(worker.main())
        await asyncio.sleep(0)
        own_server.process.kill()
        with pytest.raises((RedisConnectionError, OSError)):
            await asyncio.wait_for(running, 10)

    on_plain_arq(own_stack, plain)


def test_a_pickle_is_run_by_plain_arq(stack: Stack) -> None:
    """Ours keeps it as dead, unread: `test_a_foreign_or_corrupt_job_in_our_queue`."""

    async def plain(redis: ArqRedis, queue: str) -> None:
        async def work(ctx: Any) -> None: ...

        job = await redis.enqueue_job("work", _queue_name=queue)
        assert job is not None
        bomb = pickle.dumps({"t": 1, "f": "work", "a": (Marker(),), "k": {}, "et": 1})
        await redis.set(f"arq:job:{job.job_id}", bomb)
        await plain_worker(redis, queue, arq.func(work, name="work"), burst=True).main()
        assert unpickled == ["run"], "code in the queue's data was run"

    unpickled.clear()
    on_plain_arq(stack, plain)


unpickled: list[str] = []


class Marker:
    """Harmless, but it shows that unpickling runs what it is told to."""

    def __reduce__(self) -> Any:
        return (note_unpickled, ())


def note_unpickled() -> str:
    unpickled.append("run")
    return "argument"
