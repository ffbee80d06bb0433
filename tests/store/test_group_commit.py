"""Group commit: what it packs for Redis, and how it tells that Redis took no event."""

import asyncio
from types import SimpleNamespace
from typing import Any

import anyio
import pytest
from redis import exceptions
from redis.asyncio import Redis

from service.security.encryption import PLAIN
from service.store.inbox import accept, group_commit, order
from service.store.inbox.group_commit import GroupCommit, NotAccepted
from service.store.store import Store
from tests.store.half_way import new_world
from tests.store.half_way_scenarios import NUMBERED


@pytest.fixture
def store(server: "Redis") -> Store:
    return Store(server, new_world(server).keys.namespace, PLAIN)


async def digests_of(store: Store, event_id: str) -> bool:
    """Return whether an event came with the digests of its number, and so has its place already."""
    return b"-" not in (await store.redis.hget(store.keys.event(event_id), "order") or b"-")  # type: ignore[misc]


@pytest.mark.anyio
async def test_events_of_handlers_in_order_come_with_their_number_once_that_is_known(store: Store) -> None:
    await order.register(store, {"greet": ("message.*",)}, by_number=["greet"])
    commit = GroupCommit(store, timeout=5)
    events = [NUMBERED[0]._replace(identity=name) for name in ("first", "second", "third")]
    other = events[0]._replace(identity="other", type="test.x")
    packed = [commit._packed(events[0])]
    for each in (*events, other):
        answer = await commit.accept(each)
        assert (answer.event_id, answer.status) == (each.identity, "accepted")
        packed.append(commit._packed(events[0]))
    assert [each == packed[1] for each in packed] == [False, True, True, True, True]
    assert commit._packed(other) == GroupCommit(store, timeout=5)._packed(other)
    assert await digests_of(store, "second")
    await order.register(store, {}, by_number=[])
    await commit.close()


@pytest.mark.anyio
async def test_types_are_kept_where_an_answer_does_not_tell_them(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    answers: list[Any] = [[b"a.*"], None, [b"a.*"], [b"b"], []]

    async def accept_packed(_: Store, arrivals: Any) -> Any:
        return [accept.Acceptance("accepted", "x")] * len(arrivals), answers.pop(0)

    monkeypatch.setattr(group_commit, "accept_packed", accept_packed)
    commit = GroupCommit(store, timeout=5)
    needed = []
    for _ in range(5):
        needed.append([commit._needs_number(each) for each in ("a.x", "b", "c")])
        await commit.accept(NUMBERED[0])
    needed.append([commit._needs_number(each) for each in ("a.x", "b", "c")])
    yes, no = [True, False, False], [False, False, False]
    assert needed == [no, yes, yes, yes, [False, True, False], no]


@pytest.mark.anyio
async def test_a_commit_that_closes_waits_for_its_batch(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    going, let_go = asyncio.Event(), asyncio.Event()

    async def accept_packed(_: Store, arrivals: Any) -> Any:
        going.set()
        await let_go.wait()
        return [accept.Acceptance("accepted", "x")] * len(arrivals), None

    monkeypatch.setattr(group_commit, "accept_packed", accept_packed)
    commit = GroupCommit(store, timeout=30)
    waiting = asyncio.create_task(commit.accept(NUMBERED[0]))
    await going.wait()
    closing = asyncio.create_task(commit.close())
    await asyncio.sleep(0)
    assert not closing.done()
    let_go.set()
    with anyio.fail_after(30):
        assert (await waiting).status == "accepted"
        await closing
    idle = GroupCommit(store, timeout=30)
    await idle.close()


@pytest.mark.parametrize(
    ("error", "trouble", "reason"),
    [
        (TimeoutError(), None, "Redis did not answer in time"),
        (TimeoutError(), exceptions.ConnectionError("x"), "Redis is unreachable (no connection)"),
        (exceptions.OutOfMemoryError("x"), None, "Redis refuses writes (OOM"),
        (KeyError("x"), None, None),
    ],
)
def test_an_error_is_explained(error: Exception, trouble: Exception | None, reason: str | None) -> None:
    store: Any = SimpleNamespace(encryption=PLAIN)
    commit = GroupCommit(store, timeout=5)
    commit._batcher.trouble = trouble
    told = commit.explain(error)
    if reason is None:
        assert told is error
        return
    assert isinstance(told, NotAccepted)
    assert told.reason.startswith(reason)


@pytest.mark.anyio
async def test_events_beyond_the_limit_are_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group_commit, "MAX_WAITING", 2)
    store: Any = SimpleNamespace(encryption=PLAIN)
    commit = GroupCommit(store, timeout=5)
    loop = asyncio.get_running_loop()
    for _ in range(2):
        commit.submit(NUMBERED[0], loop.create_future())
    with pytest.raises(NotAccepted, match="too many events wait for Redis"):
        commit.submit(NUMBERED[0], loop.create_future())
    await commit.close()
