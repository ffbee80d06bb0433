"""A search for dead events looks only through the indexes of causes that can hold them."""

import orjson
import pytest
from redis.asyncio import Redis

from service.store.inbox.search import EventFilter, _dead_indexes
from service.store.operators.issues import read_issues
from tests.pending import pending
from tests.store.half_way import new_world
from tests.store.half_way_scenarios import then
from tests.store.script_calls import dead, running

DEAD = then(dead("a"), dead("b", reason="late"), dead("c", handler="text"), dead("d", handler="text", reason="no"))


@pytest.mark.anyio
async def test_the_indexes_are_those_of_the_wanted_handler_and_reason(server: "Redis") -> None:
    world = new_world(server)
    await DEAD(world)
    await running("dead_drop", "ann", "text", "no", 1, "", "d")(world)
    names = {f"died:{each.id}": (each.handler, each.reason) for each in await read_issues(world.store)}

    async def found(**wanted: str) -> set[tuple[str, str]]:
        return {names[each] for each in await _dead_indexes(world.store, EventFilter(state="dead", **wanted))}  # type: ignore[arg-type]

    assert await _dead_indexes(world.store, EventFilter(state="dead")) == ["dead"]
    assert await found(died="greet") == {("greet", "why"), ("greet", "late")}
    assert await found(died="text") == {("text", "why")}
    assert await found(reason="why") == {("greet", "why"), ("text", "why")}
    assert await found(died="greet", reason="late") == {("greet", "late")}
    assert await found(died="nobody") == set()
    assert await found(reason="no") == set()


@pytest.mark.anyio
async def test_the_index_of_all_further_reasons_may_hold_any(server: "Redis") -> None:
    world = new_world(server)
    await then(dead("a"), dead("b", reason="other"))(world)
    assert len(await _dead_indexes(world.store, EventFilter(state="dead", reason="late"))) == 1
    assert len(await _dead_indexes(world.store, EventFilter(state="dead", reason="why"))) == 2


@pytest.mark.anyio
@pytest.mark.parametrize(("known", "kept"), [(999, "why"), (1000, "other")])
async def test_a_thousand_causes_are_kept_apart(server: "Redis", known: int, kept: str) -> None:
    world = new_world(server)
    await pending(
        world.redis.hset(f"{world.keys.namespace}:causes", mapping={f"{each:016}": "{}" for each in range(known)})
    )
    await dead("a")(world)
    causes = await pending(world.redis.hgetall(f"{world.keys.namespace}:causes"))
    assert {orjson.loads(each).get("reason") for each in causes.values()} == {None, kept}
