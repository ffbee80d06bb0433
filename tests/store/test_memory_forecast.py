"""How long the memory lasts at today's rate, by what the server says of itself."""

from typing import Any

import pytest
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from service.store.inbox.maintenance import DAY, Memory, MemoryForecast, forecast_memory, memory, memory_share
from service.store.permissions import Needs, ingress_needs, refusals, worker_needs
from service.store.store import Store
from tests.stack import Stack
from tests.store.half_way import new_world

NOW = 1_790_000_000


class Told:
    """The server's INFO in place of the real one. Everything else is real."""

    def __init__(self, redis: "Redis", **told: Any) -> None:
        self._redis, self._told = redis, told

    def __getattr__(self, name: str) -> Any:
        return getattr(self._redis, name)

    async def info(self, section: str) -> dict[str, Any]:
        assert section == "memory"
        if not self._told:
            raise ResponseError("NOPERM")
        return self._told


async def told(server: "Redis", *ages: float, **info: Any) -> Store:
    """Return a deployment with events of these ages (seconds), whose server says this of its memory."""
    world = new_world(server).store
    store = Store(Told(server, **info), world.namespace, world.encryption)  # type: ignore[arg-type] # see Told
    if ages:
        await server.zadd(store.keys.events, {str(number): (NOW - age) * 1000 for number, age in enumerate(ages)})
    return store


@pytest.mark.anyio
async def test_the_memory_of_an_event_is_what_came_since_the_start(server: "Redis") -> None:
    store = await told(server, 1, DAY, DAY + 1, used_memory=1000, used_memory_startup=400, maxmemory=5000)
    assert await forecast_memory(store, NOW) == MemoryForecast(1000, 400, 5000, 2, 200)


@pytest.mark.anyio
async def test_without_events_none_has_a_size(server: "Redis") -> None:
    store = await told(server, used_memory=1000, used_memory_startup=400, total_system_memory=7000)
    forecast = await forecast_memory(store, NOW)
    assert forecast == MemoryForecast(1000, 400, 7000, 0, 0)
    assert forecast is not None
    assert forecast.days is None
    assert str(forecast) == "0 of 0 MB are used, and no event came today"


@pytest.mark.anyio
async def test_a_server_that_gave_memory_back_has_events_without_a_size(server: "Redis") -> None:
    store = await told(server, 1, used_memory=300, used_memory_startup=400, maxmemory=5000)
    assert await forecast_memory(store, NOW) == MemoryForecast(300, 400, 5000, 1, 0)


@pytest.mark.anyio
@pytest.mark.parametrize("info", [{}, {"used_memory": 5}, {"used_memory": 5, "maxmemory": 0}])
async def test_without_a_limit_or_the_right_to_see_it_there_is_no_forecast(
    server: "Redis", info: dict[str, Any]
) -> None:
    store = await told(server, **info)
    assert await forecast_memory(store, NOW) is None
    assert await memory_share(store.redis) == 0.0
    assert await memory(store.redis) == (Memory(5, None) if info else None)


@pytest.mark.anyio
async def test_the_share_leaves_the_servers_own_buffers_out(server: "Redis") -> None:
    store = await told(server, used_memory=1000, mem_not_counted_for_evict=200, maxmemory=3200)
    assert await memory_share(store.redis) == 0.25
    assert await memory_share((await told(server, used_memory=800, maxmemory=3200)).redis) == 0.25
    assert await memory(store.redis) == Memory(1000, 3200)


def test_the_days_left_count_up_to_the_share_at_which_bodies_go() -> None:
    forecast = MemoryForecast(2_000_000, 0, 10_000_000, 100, 1000)
    assert forecast.days == 60.0
    assert str(forecast) == (
        "2 of 10 MB are used, and today's 100 events of 1,000 bytes leave room for 60.0 days, and longer as events"
        " expire"
    )
    assert MemoryForecast(9_000_000, 0, 10_000_000, 100, 1000).days == 0.0
    assert MemoryForecast(2_000_000, 0, 10_000_000, 100, 0).days is None


def test_a_worker_needs_no_room_and_an_ingress_does(own_stack: Stack) -> None:
    def asked(needs: Needs) -> list[str]:
        return own_stack.ask(lambda store: refusals(store, needs))

    assert asked(ingress_needs()) == []
    own_stack.ask(lambda store: store.redis.config_set("maxmemory", "1"))
    assert asked(worker_needs()) == []
    with pytest.raises(ResponseError, match="maxmemory"):
        asked(ingress_needs())
