"""What stock arq reads of a job is written when an event comes or comes back, and not at every step of its life."""

import uuid
from collections.abc import AsyncIterator

import pytest

from service.security.encryption import PLAIN
from service.store.connection import connect
from service.store.inbox import dead_letters
from service.store.inbox.audit import audit, repair
from service.store.inbox.maintenance import sweep
from service.store.store import ARQ_JOB, Store
from tests.store.half_way import World
from tests.store.half_way_scenarios import DEAD, EVENT, LEASED, Step, accepting, claiming, ending

JOB = "one"


@pytest.fixture
async def world(redis_url: str) -> AsyncIterator[World]:
    async with connect(redis_url, timeout=10, connections=4) as redis:
        yield World(Store(redis, f"t{uuid.uuid4().hex[:12]}", PLAIN))


def job_of(world: World) -> str:
    return f"{ARQ_JOB}{world.keys.job_id(JOB)}"


async def without_job(world: World) -> None:
    """Take away the job and nothing else: who writes it now shows."""
    assert await world.redis.delete(job_of(world)) == 1


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("before", "step"),
    [(accepting(EVENT), claiming("greet")), (LEASED, ending("waiting", due=1_900_000_000_000))],
    ids=["claim", "finish"],
)
async def test_a_step_that_leaves_the_event_in_the_queue_writes_no_job(world: World, before: Step, step: Step) -> None:
    await before(world)
    await without_job(world)
    await step(world)
    assert await world.redis.exists(job_of(world)) == 0
    assert await world.redis.zscore(world.keys.queue, world.keys.job_id(JOB)) is not None


@pytest.mark.anyio
async def test_an_event_that_comes_back_brings_its_job(world: World) -> None:
    await DEAD(world)
    assert await world.redis.exists(job_of(world)) == 0
    assert await dead_letters.retry(world.store, [JOB], by="ann") == ["retried"]
    assert await world.redis.exists(job_of(world)) == 1


@pytest.mark.anyio
async def test_an_event_that_stock_arq_took_out_of_the_queue_gets_its_job_again(world: World) -> None:
    await accepting(EVENT)(world)
    await without_job(world)
    await world.redis.zrem(world.keys.queue, world.keys.job_id(JOB))
    await sweep(world.store, first=0)
    assert await world.redis.exists(job_of(world)) == 1


@pytest.mark.anyio
async def test_a_repair_writes_a_job_that_is_missing_from_the_queue(world: World) -> None:
    await accepting(EVENT)(world)
    await without_job(world)
    found = await audit(world.store)
    assert not found.clean
    await repair(world.store, found)
    assert await world.redis.exists(job_of(world)) == 1
    assert (await audit(world.store)).clean


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
