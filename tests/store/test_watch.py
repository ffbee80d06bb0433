"""Watching events: each look tells what changed since the one before, and nothing twice."""

from typing import Any

import pytest
from redis import exceptions
from redis.asyncio import Redis

from service.store.inbox import watch as module
from service.store.inbox.accept import NewEvent, accept
from service.store.inbox.search import EventFilter
from service.store.inbox.watch import Watch
from service.store.store import Store
from tests.pending import pending
from tests.store.half_way import T, new_world


class Clock:
    """Redis's time for the watch (ms)."""

    now = T

    async def __call__(self, _: Any) -> int:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    monkeypatch.setattr(module, "server_time", made := Clock())
    return made


def store_at(server: "Redis") -> Store:
    world = new_world(server)
    return Store(server, world.keys.namespace, world.store.encryption)


async def come(store: Store, **events: int) -> None:
    """Accept events that came so many milliseconds after T."""
    await accept(store, [NewEvent(each, "test.x", b"{}", "webhook") for each in events])
    for name, after in events.items():
        await store.redis.zadd(store.keys.events, {name: T + after})


async def end(store: Store, name: str, after: int, state: str = "done") -> None:
    await pending(store.redis.hset(store.keys.event(name), "state", state))
    index = store.keys.dead if state == "dead" else store.keys.ended
    await store.redis.zadd(index, {name: T + after})


async def ids(watch: Watch) -> tuple[list[str], int]:
    changes = await watch.look()
    return [each.id for each in changes.records], changes.passed_over


@pytest.mark.anyio
async def test_each_change_is_told_once_from_the_first_look_on(server: "Redis", clock: Clock) -> None:
    store = store_at(server)
    watch = Watch(store, EventFilter())
    await come(store, before=-5, last=-1)
    assert await ids(watch) == ([], 0)
    await come(store, a=0, b=3, present=10)
    clock.now = T + 10
    assert await ids(watch) == (["a", "b"], 0)
    assert await ids(watch) == ([], 0)
    clock.now = T + 11
    assert await ids(watch) == (["present"], 0)
    await end(store, "a", 12)
    await end(store, "before", 13, "dead")
    clock.now = T + 20
    assert await ids(watch) == (["a", "before"], 0)
    assert await ids(watch) == ([], 0)


@pytest.mark.anyio
async def test_open_events_are_looked_at_again_those_that_came_last(
    server: "Redis", clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_OPEN", 2)
    store = store_at(server)
    watch = Watch(store, EventFilter())
    await watch.look()
    await come(store, a=1, b=2, c=3, ended=4)
    await end(store, "ended", 4)
    clock.now = T + 10
    assert await ids(watch) == (["a", "b", "c", "ended"], 0)
    for name in ("a", "b", "c", "ended"):
        await pending(server.hset(store.keys.event(name), "deliveries", "7"))
    assert await ids(watch) == (["b", "c"], 0)


@pytest.mark.anyio
async def test_only_wanted_events_are_told_of(server: "Redis", clock: Clock) -> None:
    store = store_at(server)
    watch = Watch(store, EventFilter(state="dead"))
    await watch.look()
    await come(store, a=1, b=2)
    await end(store, "b", 3, "dead")
    clock.now = T + 10
    assert await ids(watch) == (["b"], 0)


@pytest.mark.anyio
async def test_more_changes_than_one_look_takes_are_counted(
    server: "Redis", clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_AT_ONCE", 2)
    monkeypatch.setattr(module, "PAGE", 1)
    store = store_at(server)
    watch = Watch(store, EventFilter())
    await watch.look()
    await come(store, a=1, b=2)
    clock.now = T + 10
    assert await ids(watch) == (["a", "b"], 0)
    await come(store, c=20, d=21, e=22, f=40)
    clock.now = T + 30
    assert await ids(watch) == (["c", "d"], 1)
    clock.now = T + 50
    assert await ids(watch) == (["f"], 0)


@pytest.mark.anyio
async def test_a_look_that_fails_is_none(server: "Redis", clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    store = store_at(server)
    watch = Watch(store, EventFilter())
    await watch.look()
    await come(store, a=1)
    clock.now = T + 10
    with monkeypatch.context() as broken:

        async def fail(*_: Any, **__: Any) -> Any:
            raise exceptions.ConnectionError

        broken.setattr(watch.store.redis, "zrangebyscore", fail)
        with pytest.raises(exceptions.ConnectionError):
            await watch.look()
    clock.now = T + 20
    assert await ids(watch) == (["a"], 0)
