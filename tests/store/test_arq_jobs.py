"""Events in arq's queue: they need no job of arq, and jobs that are no events go to the quarantine."""

import uuid
from collections.abc import AsyncIterator

import pytest

from service.security.encryption import PLAIN
from service.store.connection import connect
from service.store.inbox import dead_letters
from service.store.inbox.audit import audit
from service.store.inbox.maintenance import sweep
from service.store.store import Store
from tests.store.half_way import World
from tests.store.half_way_scenarios import DEAD, DONE, EVENT, LEASED, Step, accepting, ending, then

JOB = "one"


async def retrying(world: World) -> None:
    assert await dead_letters.retry(world.store, [JOB], by="ann") == ["retried"]


@pytest.fixture
async def world(redis_url: str) -> AsyncIterator[World]:
    async with connect(redis_url, timeout=10, connections=4) as redis:
        yield World(Store(redis, f"t{uuid.uuid4().hex[:12]}", PLAIN))


@pytest.mark.anyio
@pytest.mark.parametrize(
    "life",
    [LEASED, then(LEASED, ending("waiting", due=1_900_000_000_000)), DONE, then(DEAD, retrying)],
    ids=["claimed", "waiting", "done", "retried"],
)
async def test_an_event_is_its_record_and_writes_no_job_of_arq(world: World, life: Step) -> None:
    await life(world)
    assert [key async for key in world.redis.scan_iter(f"arq:*{world.keys.namespace}:*")] == []


@pytest.mark.anyio
async def test_an_event_that_stock_arq_took_out_of_the_queue_comes_back(world: World) -> None:
    await accepting(EVENT)(world)
    await world.redis.zrem(world.keys.queue, world.keys.job_id(JOB))
    await sweep(world.store, first=0)
    assert await world.redis.zscore(world.keys.queue, world.keys.job_id(JOB)) is not None


@pytest.mark.anyio
async def test_the_quarantine_takes_away_all_that_arq_keeps_of_a_job(world: World) -> None:
    job = world.keys.job_id("nobodys")
    await world.redis.zadd(world.keys.queue, {job: 1})
    for prefix in ("job", "retry", "in-progress"):
        await world.redis.set(f"arq:{prefix}:{job}", b"{}")
    assert await dead_letters.quarantine(world.store, job, "corrupt_job", "It cannot be read.")
    assert [key async for key in world.redis.scan_iter(f"arq:*{world.keys.namespace}:*")] == []
    assert await world.redis.zcard(world.keys.queue) == 0


@pytest.mark.anyio
async def test_only_a_job_that_is_no_event_goes_to_the_quarantine_and_only_once(world: World) -> None:
    await accepting(EVENT)(world)
    own, queue = world.keys.job_id(JOB), world.keys.queue
    assert not await dead_letters.quarantine(world.store, own, "no_event", "It has no event.")
    await world.redis.zadd(queue, {"foreign": 1})
    assert await dead_letters.quarantine(world.store, "foreign", "no_event", "It has no event.")
    assert not await dead_letters.quarantine(world.store, "foreign", "no_event", "It has no event.")
    assert await world.redis.zrange(queue, 0, -1) == [own.encode()]
    found = await audit(world.store)
    assert found.clean
    assert (found.totals.counters.dead, found.totals.counters.open) == (1, 1)
