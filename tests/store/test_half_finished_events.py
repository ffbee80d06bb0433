"""A worker that is killed while its results are half recorded: the next claim settles the event."""

import uuid
from typing import cast

import pytest
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from service.security.encryption import PLAIN
from service.store.inbox import accept, dead_letters
from service.store.inbox.audit import audit, repair
from service.store.inbox.order import register
from service.store.store import Store
from tests.store.half_way import FaultyRedis, T, World, all_scripts
from tests.store.half_way_scenarios import LEASED, claiming, ending
from tests.store.test_claimed_turns import KEEP, Numbered

LAPSED = T + 60_000
FINISH = ending("done", ids=("one",))


async def left_half_way(server: "Redis", write: int) -> World | None:
    """Return what a killed worker leaves whose results failed at this write, None where there are fewer writes."""
    redis = FaultyRedis(server, all_scripts())
    world = World(Store(cast("Redis", redis), f"t{uuid.uuid4().hex[:12]}", PLAIN))
    await LEASED(world)
    redis.fail_at = write
    try:
        await FINISH(world)
    except ResponseError:
        redis.fail_at, redis.now = 0, LAPSED
        return world
    return None


@pytest.mark.anyio
async def test_an_event_whose_results_were_half_recorded_ends_once_and_is_audited_clean(server: "Redis") -> None:
    write = 0
    while (world := await left_half_way(server, write := write + 1)) is not None:
        leases = await claiming("greet", worker="next")(world)
        if leases:
            await ending("done", ids=("one",), token=leases[0].token)(world)
        checked = await audit(world.store)
        if not checked.clean and world.redis.refused[-1].split(" ")[0] == "HSET":
            # The counters and the mark are two writes: what lies between them no order can help.
            await repair(world.store, checked)
            checked = await audit(world.store)
        assert checked.clean, (world.redis.refused, checked)
        record = await accept.find(world.store, "one")
        assert record is not None
        assert record.state == "done", world.redis.refused
    assert write > 5


@pytest.mark.anyio
async def test_an_event_that_ended_and_kept_its_lease_is_replayed_without_a_lapse(server: "Redis") -> None:
    write, replayed = 0, 0
    while (world := await left_half_way(server, write := write + 1)) is not None:
        record = await accept.find(world.store, "one")
        assert record is not None
        if record.state != "done":
            continue
        replayed += 1
        await dead_letters.replay(world.store, ["one"], by="ann")
        assert len(await claiming("greet", worker="next")(world)) == 1
        assert not await world.redis.hexists(world.keys.event("one"), "lapses"), world.redis.refused
    assert replayed > 2


@pytest.mark.anyio
async def test_an_event_that_ended_and_kept_its_lease_stays_ended(server: "Redis") -> None:
    write, ended = 0, 0
    while (world := await left_half_way(server, write := write + 1)) is not None:
        if await world.redis.hget(world.keys.event("one"), "state") != b"done":
            continue
        ended += 1
        world.redis.now = T
        assert await world.store.run("repair", "one") == 1
        assert await world.redis.hget(world.keys.event("one"), "state") == b"done", world.redis.refused
        assert await world.redis.zscore(world.keys.queue, world.keys.job_id("one")) is None
    assert ended > 2


async def lane_left_half_way(server: "Redis", write: int) -> Numbered | None:
    """Return the lane of two events of which the first ended half-way and the second waits. None: fewer writes."""
    redis = FaultyRedis(server, all_scripts())
    lane = Numbered(Store(cast("Redis", redis), f"t{uuid.uuid4().hex[:12]}", PLAIN))
    await register(lane.store, KEEP, by_number=["keep"])
    await lane.accept("a", "b")
    assert await lane.claim(lease=15.0) == {"a": "go", "b": "a"}
    assert await lane.ask("b") == "a"
    await lane.give_back("b")
    redis.fail_at = write
    try:
        await lane.end("a")
    except ResponseError:
        redis.fail_at, redis.now = 0, LAPSED
        return lane
    return None


async def run_all(lane: Numbered) -> None:
    """Let another worker run what comes to its turn."""
    for _ in range(3):
        for event_id, turn in (await lane.claim(worker="next", lease=15.0)).items():
            if event_id in lane.woken or (await lane.ask(event_id) if turn == "ask" else turn) == "go":
                await lane.end(event_id)
            else:
                await lane.give_back(event_id)


@pytest.mark.anyio
async def test_an_event_in_order_has_its_turn_though_the_end_of_the_one_before_it_was_half_recorded(
    server: "Redis",
) -> None:
    write = 0
    while (lane := await lane_left_half_way(server, write := write + 1)) is not None:
        await run_all(lane)
        records = [await accept.find(lane.store, each) for each in ("a", "b")]
        assert [each and each.state for each in records] == ["done", "done"], write
    assert write > 5
