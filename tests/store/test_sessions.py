"""Sessions of the dashboard: known by tokens that Redis does not hold, and attempts that are counted."""

import pytest
from redis.asyncio import Redis

from service.security.encryption import PLAIN
from service.store.operators import sessions
from service.store.operators.sessions import Session
from service.store.store import Store
from tests.store.half_way import new_world


@pytest.fixture
def store(server: "Redis") -> Store:
    return Store(server, new_world(server).keys.namespace, PLAIN)


def test_the_mark_of_a_password_says_nothing_about_it() -> None:
    mark = sessions.mark_of("hash")
    assert mark == sessions.mark_of("hash") != sessions.mark_of("other")
    assert len(mark) == 16
    assert int(mark, 16)
    assert "hash" not in mark


@pytest.mark.anyio
async def test_a_session_lasts_as_long_as_it_may_and_ends_with_the_sign_out(store: Store) -> None:
    first, second = Session("ann", "m"), Session("bob", "n")
    token, other = [await sessions.open_session(store, each, seconds=60.9) for each in (first, second)]
    assert len(token) >= 43
    assert await sessions.read_session(store, token) == first
    assert await sessions.read_session(store, other) == second
    assert await sessions.read_session(store, "none") is None
    keys = [each async for each in store.redis.scan_iter(f"{store.namespace}:*", count=1000)]
    assert not any(token.encode() in each for each in keys)
    assert {await store.redis.ttl(each) for each in keys if b"session" in each} <= {59, 60}
    await sessions.close_session(store, token)
    assert await sessions.read_session(store, token) is None
    assert await sessions.read_session(store, other) == second


@pytest.mark.anyio
async def test_attempts_are_counted_for_each_subject(store: Store) -> None:
    counts = [await sessions.count_attempt(store, each, seconds=60) for each in ("ann", "ann", "bob")]
    assert counts == [1, 2, 1]
    await sessions.clear_attempts(store, "ann")
    assert await sessions.count_attempt(store, "ann", seconds=60) == 1
    assert await sessions.count_attempt(store, "bob\ud83d", seconds=60) == 1


@pytest.mark.anyio
async def test_all_callers_get_the_secret_of_the_first(store: Store) -> None:
    first = await sessions.number_secret(store)
    assert len(first) == 32
    assert await sessions.number_secret(store) == first
    another = Store(store.redis, f"{store.namespace}b", PLAIN)
    assert await sessions.number_secret(another) != first


@pytest.mark.anyio
async def test_who_comes_second_takes_the_secret_of_the_first(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    await store.redis.set(store.keys.dashboard_secret, b"theirs")
    with monkeypatch.context() as late:

        async def get(_: str) -> None:
            """Look before the other one wrote it."""

        late.setattr(store.redis, "get", get)
        assert await sessions.number_secret(store) == b"theirs"
    assert await store.redis.get(store.keys.dashboard_secret) == b"theirs"
