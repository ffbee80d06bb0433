"""Where a search looks: between which times, in which index, and for how long."""

from typing import Any

import orjson
import pytest
from redis.asyncio import Redis

from service.security.encryption import PLAIN
from service.store.inbox import search as module
from service.store.inbox.accept import NewEvent, accept
from service.store.inbox.search import MARKED, MINUTE, EventFilter, ScanBudget, matching, search, stretches
from service.store.place import Place, place_at, rank_at
from service.store.store import Store
from tests.pending import pending
from tests.store.half_way import new_world

NOW = 29_833_333 * MINUTE + 20_000
"""A time (ms), 20 s into a minute."""
THIS = NOW // MINUTE


@pytest.fixture
def store(server: "Redis") -> Store:
    return Store(server, new_world(server).keys.namespace, PLAIN)


class Minutes:
    """The script `minutes`: which it was asked for, and what it answers."""

    def __init__(self, *answers: list[int]) -> None:
        self.asked: list[tuple[Any, ...]] = []
        self.redis = None
        self._answers = list(answers)

    async def run(self, name: str, *words: Any) -> list[int]:
        assert name == "minutes"
        self.asked.append(words)
        return self._answers.pop(0)


async def found(
    monkeypatch: pytest.MonkeyPatch, minutes: Minutes, wanted: EventFilter, **options: Any
) -> list[tuple[Any, Any]]:
    async def server_time(_: Any) -> int:
        return NOW

    monkeypatch.setattr(module, "server_time", server_time)
    monkeypatch.setattr(module, "MINUTES_AT_ONCE", 3)
    store: Any = minutes
    return [each async for each in stretches(store, wanted, **options)]


ABOUT = {"about": (b"\x01\x02",)}
EARLIEST = NOW - MARKED


@pytest.mark.anyio
async def test_without_digests_all_times_are_one_stretch(monkeypatch: pytest.MonkeyPatch) -> None:
    minutes = Minutes()
    assert await found(monkeypatch, minutes, EventFilter(since=5, until=9, type="a.*")) == [(5, 9)]
    assert minutes.asked == []


@pytest.mark.anyio
async def test_minutes_are_looked_through_from_the_latest(monkeypatch: pytest.MonkeyPatch) -> None:
    minutes = Minutes([3, THIS - 1, THIS], [2, THIS - 4, THIS - 4])
    wanted = EventFilter(**ABOUT, since=(THIS - 4) * MINUTE + 7)  # type: ignore[arg-type] # by their names
    assert await found(monkeypatch, minutes, wanted) == [
        ((THIS - 1) * MINUTE, NOW),
        ((THIS - 4) * MINUTE + 7, (THIS - 3) * MINUTE - 1),
    ]
    assert minutes.asked == [(THIS, 3, "0102"), (THIS - 3, 2, "0102")]


@pytest.mark.anyio
async def test_a_search_ends_at_its_latest_time_and_before_its_earliest(monkeypatch: pytest.MonkeyPatch) -> None:
    until = (THIS - 1) * MINUTE + 5
    minutes = Minutes([1, THIS - 1, THIS - 1])
    wanted = EventFilter(**ABOUT, since=(THIS - 1) * MINUTE, until=until)  # type: ignore[arg-type]
    assert await found(monkeypatch, minutes, wanted) == [((THIS - 1) * MINUTE, until)]
    assert minutes.asked == [(THIS - 1, 1, "0102")]
    later = Minutes([1])
    assert await found(monkeypatch, later, EventFilter(**ABOUT, since=THIS * MINUTE, until=NOW + 5)) == []  # type: ignore[arg-type]


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("since", "expected"),
    [(None, [(None, EARLIEST - 1)]), (EARLIEST - 1, [(EARLIEST - 1, EARLIEST - 1)]), (EARLIEST, [])],
)
async def test_times_without_digests_are_one_stretch_at_the_end(
    monkeypatch: pytest.MonkeyPatch, since: int | None, expected: list[Any]
) -> None:
    minutes = Minutes(*([3] for _ in range(MARKED // MINUTE // 3 + 1)))
    assert await found(monkeypatch, minutes, EventFilter(**ABOUT, since=since)) == expected  # type: ignore[arg-type]
    assert minutes.asked[-1][0] - minutes.asked[-1][1] + 1 == EARLIEST // MINUTE


@pytest.mark.anyio
async def test_a_search_that_takes_too_long_says_down_to_when_it_looked(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[int] = []

    def is_enough(down_to: int) -> bool:
        told.append(down_to)
        return len(told) == 2

    minutes = Minutes([2], [3])
    assert await found(monkeypatch, minutes, EventFilter(**ABOUT), is_enough=is_enough) == []  # type: ignore[arg-type]
    assert told == [(THIS - 1) * MINUTE - 1, (THIS - 4) * MINUTE - 1]
    last = Minutes([1])
    assert await found(monkeypatch, last, EventFilter(**ABOUT, since=THIS * MINUTE), is_enough=is_enough) == []  # type: ignore[arg-type]
    assert len(told) == 2


def test_the_digests_of_a_filter_are_alternatives_and_those_of_its_type() -> None:
    wanted = EventFilter(about=(b"\x01", b"\x02"), message=(b"\x03",), type="message.received")
    first, second, third = wanted.marks()
    assert (first, second, len(third)) == ("01,02", "03", 8)
    assert EventFilter(type="message.*").marks() == EventFilter(state="dead").marks() == []


def test_a_filter_comes_back_as_it_was() -> None:
    wanted = EventFilter(
        state="dead", type="x", handler="h", about=(b"\x01", b"\x02"), since=0, until=9, died="d", attempts=3,
        reason="r", because="b", message=(b"\x03",), without_crons=True,
    )  # fmt: skip
    told = orjson.loads(wanted.to_json(with_times=True))
    assert EventFilter.from_told(told) == wanted
    assert "since" not in orjson.loads(wanted.to_json(with_times=False))
    assert orjson.loads(EventFilter().to_json(with_times=True)) == {}


async def come(store: Store, **ages: int) -> None:
    await accept(store, [NewEvent(each, "test.x", b"{}", "webhook") for each in ages])
    for name, age in ages.items():
        await pending(store.redis.hset(store.keys.event(name), "received_at", str(NOW - age)))
        await store.redis.zadd(store.keys.events, {name: NOW - age})


@pytest.mark.anyio
@pytest.mark.parametrize("few", [0, 4, 20_000])
@pytest.mark.parametrize("page", [1, 2, 500])
async def test_events_are_found_the_newest_first_through_each_index(
    store: Store, monkeypatch: pytest.MonkeyPatch, few: int, page: int
) -> None:
    monkeypatch.setattr(module, "FEW", few)
    monkeypatch.setattr(module, "PAGE", page)
    await come(store, b=20, a=30, c=10, e=0, d=5)
    wanted = EventFilter(state="open")
    pages = [each async for each in matching(store, wanted)]
    assert [name for each in pages for name in each] == ["e", "d", "c", "b", "a"]
    assert max(map(len, pages)) <= page
    assert [each.id for each in await search(store, wanted, limit=3)] == ["e", "d", "c"]
    assert await search(store, EventFilter(state="done"), limit=3) == []


@pytest.mark.anyio
async def test_a_search_ends_once_its_budget_is_spent(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PAGE", 2)
    await come(store, a=50, b=40, c=30, d=20, e=10)
    told: list[int] = []
    budget = ScanBudget(most=3, tell=told.append)
    assert [each.id for each in await search(store, EventFilter(), limit=9, effort=budget)] == ["e", "d", "c", "b"]
    assert (budget.spent, told, budget.is_enough) == (4, [2, 2], True)
    assert not ScanBudget(most=3, spent=2).is_enough
    assert ScanBudget(most=3, spent=3).is_enough
    assert [each.id for each in await search(store, EventFilter(since=NOW - 30, until=NOW - 20), limit=9)] == ["d", "c"]


@pytest.mark.anyio
async def test_a_place_stays_where_it_is_while_newer_members_arrive(store: Store) -> None:
    index = f"{store.namespace}:index"
    await store.redis.zadd(index, {"a": 1, "b": 2, "c": 2, "d": 3})
    places = [await place_at(store.redis, index, rank) for rank in range(6)]
    assert places == [Place(3, 0), Place(3, 1), Place(2, 1), Place(2, 2), Place(1, 1), None]
    assert [await rank_at(store.redis, index, each) for each in (None, *places[:5])] == [0, 0, 1, 2, 3, 4]
    await store.redis.zadd(index, {"e": 4})
    assert [await rank_at(store.redis, index, each) for each in places[1:5]] == [2, 3, 4, 5]
    assert await place_at(store.redis, f"{index}2", 1) is None


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("5.2", Place(5, 2)),
        ("5", None),
        ("5.x", None),
        ("x.2", None),
        ("-5.2", None),
        (f"{'1' * 15}.{'2' * 15}", Place(int("1" * 15), int("2" * 15))),
        (f"{'1' * 16}.2", None),
        (f"1.{'2' * 16}", None),
    ],
)
def test_a_place_is_read_as_it_is_written(text: str, place: Place | None) -> None:
    assert Place.parse(text) == place
    assert place is None or str(place) == text
