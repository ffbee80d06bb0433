"""Batches: which items go together, and what becomes of a batch that fails."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from redis.exceptions import ConnectionError as Unreachable
from redis.exceptions import ResponseError

from service.store import batching
from service.store.batching import Batcher

DAMAGED = ResponseError("WRONGTYPE x")


class Commits:
    """What each batch answers or raises, and the batches."""

    def __init__(self, *answers: Any) -> None:
        self.batches: list[list[str]] = []
        self._answers = list(answers)

    async def __call__(self, items: Sequence[str]) -> Sequence[str]:
        self.batches.append(list(items))
        await asyncio.sleep(0)
        answer = self._answers.pop(0) if self._answers else None
        if isinstance(answer, Exception):
            raise answer
        return [each.upper() for each in items]


async def results(commits: Commits, *items: str, **options: Any) -> list[Any]:
    """Hand in one item, and the others while it is in flight."""
    batcher: Batcher[str, str] = Batcher(commits, passing=(Unreachable,), **options)
    first = batcher.submit(items[0])
    await asyncio.sleep(0)
    others = [batcher.submit(each) for each in items[1:]]
    return await asyncio.gather(first, *others, return_exceptions=True)


@pytest.fixture(autouse=True)
def _without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batching, "PAUSE", 0)


@pytest.mark.anyio
async def test_a_lone_item_goes_at_once_and_those_that_came_meanwhile_together() -> None:
    commits = Commits()
    assert await results(commits, "a", "b", "c", "d", most=2) == ["A", "B", "C", "D"]
    assert commits.batches == [["a"], ["b", "c"], ["d"]]


@pytest.mark.anyio
async def test_a_batch_has_at_most_a_mebibyte_unless_one_item_has_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batching, "MAX_BYTES", 4)
    commits = Commits()
    assert len(await results(commits, "a", "bb", "cc", "d", "eeeeee", "f", size=len)) == 6
    assert commits.batches == [["a"], ["bb", "cc"], ["d"], ["eeeeee"], ["f"]]


@pytest.mark.anyio
async def test_a_batch_that_meets_an_outage_is_repeated_whole() -> None:
    commits = Commits(None, Unreachable("x"), Unreachable("x"))
    assert await results(commits, "a", "b", "c") == ["A", "B", "C"]
    assert commits.batches == [["a"], ["b", "c"], ["b", "c"], ["b", "c"]]


@pytest.mark.anyio
async def test_a_damaged_item_fails_alone() -> None:
    commits = Commits(None, DAMAGED, None, DAMAGED)
    assert await results(commits, "a", "b", "c") == ["A", "B", DAMAGED]
    assert commits.batches == [["a"], ["b", "c"], ["b"], ["c"]]


@pytest.mark.anyio
async def test_any_other_error_goes_to_all_who_wait() -> None:
    error = KeyError("x")
    commits = Commits(None, error)
    assert await results(commits, "a", "b", "c") == ["A", error, error]
    assert len(commits.batches) == 2


@pytest.mark.anyio
async def test_an_outage_that_outlasts_the_patience_is_a_timeout() -> None:
    commits = Commits(*[Unreachable("x")] * 9)
    [told] = await results(commits, "a", patience=0.0)
    assert isinstance(told, TimeoutError)
    assert len(commits.batches) == 1
    assert isinstance((await results(Commits(Unreachable("x")), "a", patience=30.0))[0], str)


@pytest.mark.anyio
async def test_an_outage_is_known_until_a_batch_goes_through() -> None:
    commits = Commits(Unreachable("x"))
    batcher: Batcher[str, str] = Batcher(commits, passing=(Unreachable,), patience=30.0)
    assert await batcher.submit("a") == "A"
    assert (len(commits.batches), batcher.trouble) == (2, None)
    await batcher.close(within=5)


@pytest.mark.anyio
async def test_nobody_waits_longer_than_the_timeout() -> None:
    commits = Commits(*[Unreachable("x")] * 100_000)
    told = await results(commits, "a", "b", timeout=0.02)
    assert [type(each) for each in told] == [TimeoutError, TimeoutError]


@pytest.mark.anyio
async def test_who_no_longer_waits_is_not_committed() -> None:
    commits = Commits()
    batcher: Batcher[str, str] = Batcher(commits, passing=())
    first = batcher.submit("a")
    await asyncio.sleep(0)
    gone, kept = batcher.submit("b"), batcher.submit("c")
    assert len(batcher) == 2
    gone.cancel()
    assert list(await asyncio.gather(first, kept)) == ["A", "C"]
    assert commits.batches == [["a"], ["c"]]
    assert batcher.trouble is None
    await batcher.close(within=5)
