"""Pages of events: together they hold each event once, the newest first."""

import time

import pytest
from redis.asyncio import Redis

from service.store.inbox import event_pages, search
from service.store.inbox.accept import NewEvent, accept
from service.store.inbox.event_pages import event_page
from service.store.inbox.search import EventFilter
from service.store.place import Place
from service.store.store import Store
from tests.pending import pending
from tests.store.half_way import new_world

NOW = int(time.time() * 1000)
AGES = {"a": 0, "b": 5, "c": 5, "d": 5, "e": 90_000, "f": 200_000}
"""Events, and how long ago (ms) each of them came."""


async def filled(server: "Redis", *dead: str) -> Store:
    """Return a deployment with these events. Those that are dead died in the opposite order."""
    store = Store(server, new_world(server).store.namespace, new_world(server).store.encryption)
    await accept(store, [NewEvent(each, "test.x", b"{}", "webhook") for each in AGES])
    for name, age in AGES.items():
        await pending(server.hset(store.keys.event(name), "received_at", str(NOW - age)))
        await server.zadd(store.keys.events, {name: NOW - age})
    for name in dead:
        await pending(server.hset(store.keys.event(name), "state", "dead"))
        await server.zadd(store.keys.dead, {name: NOW + AGES[name]})
        await server.zrem(store.keys.queue, store.keys.job_id(name))
    return store


async def pages(store: Store, wanted: EventFilter, limit: int, *, seconds: float = 60) -> list[list[str]]:
    """Return the ids of all pages."""
    found: list[list[str]] = []
    after: Place | None = None
    while not found or after is not None:
        page = await event_page(store, wanted, limit=limit, seconds=seconds, after=after)
        found.append([each.id for each in page.records])
        after = page.next
        assert len(found) < 30
    return found


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("limit", "expected"),
    [(1, ["a", "b", "c", "d", "e", "f"]), (2, ["ab", "cd", "ef"]), (4, ["abcd", "ef"]), (9, ["abcdef"])],
)
async def test_open_events_are_in_pages_and_those_of_one_moment_in_the_order_of_their_ids(
    server: "Redis", limit: int, expected: list[str]
) -> None:
    store = await filled(server)
    assert await pages(store, EventFilter(state="open"), limit) == [list(each) for each in expected]


@pytest.mark.anyio
async def test_a_page_of_open_events_says_how_many_it_looked_at(server: "Redis") -> None:
    page = await event_page(await filled(server, "f"), EventFilter(state="open"), limit=3, seconds=60)
    assert (page.looked_at, page.next) == (5, Place(NOW - 5, 2))


@pytest.mark.anyio
@pytest.mark.parametrize("limit", [1, 2, 4, 6, 9])
@pytest.mark.parametrize("seconds", [60, 0])
async def test_pages_of_all_events_hold_each_once_even_where_each_look_takes_too_long(
    server: "Redis", limit: int, seconds: float
) -> None:
    found = await pages(await filled(server, "c"), EventFilter(), limit, seconds=seconds)
    assert "".join(each for page in found for each in page) == "adcbef"
    assert all(len(each) <= limit for each in found)


@pytest.mark.anyio
@pytest.mark.parametrize("limit", [1, 2, 9])
async def test_dead_events_come_in_the_order_of_their_death(server: "Redis", limit: int) -> None:
    found = await pages(await filled(server, "a", "b", "e", "f"), EventFilter(state="dead"), limit)
    assert "".join(each for page in found for each in page) == "feba"


@pytest.mark.anyio
async def test_a_page_is_filled_from_several_looks(server: "Redis", monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_pages, "PAGE", 1)
    store = await filled(server)
    assert [len(each) for each in await pages(store, EventFilter(), 4)] == [4, 2]
    assert [len(each) for each in await pages(store, EventFilter(), 6)] == [6, 0]
    assert [len(each) for each in await pages(store, EventFilter(), 9)] == [6]
    page = await event_pages.event_page(store, EventFilter(), limit=4, seconds=60)
    assert page.looked_at == 4
    issue = await event_pages.event_page(store, EventFilter(state="dead"), limit=4, seconds=60, issue="none")
    assert (issue.records, issue.next, issue.looked_at) == ([], None, 0)


@pytest.mark.anyio
@pytest.mark.parametrize("seconds", [0, 60])
async def test_a_page_by_minutes_ends_once_its_time_is_up(
    server: "Redis", monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    monkeypatch.setattr(search, "MINUTES_AT_ONCE", 1)
    store = await filled(server)
    for minute in range(NOW // 60_000 - 6, NOW // 60_000 + 3):
        await server.set(f"{store.namespace}:minute:{minute}", b"none of it")
    wanted = EventFilter(type="test.x", since=NOW - 300_000)
    page = await event_pages.event_page(store, wanted, limit=9, seconds=seconds)
    assert (page.records, page.looked_at) == ([], 0)
    assert (page.next is None) is (seconds == 60)
    assert page.next is None or (page.next.passed, page.next.at % 60_000) == (0, 59_999)
