"""Failures of one code and sender: each event counts once, for a time, and takes little room."""

from service.store.facts.delivery_failures import count_failure
from service.store.store import Store
from tests.stack import Stack

SUBJECT = "40010:+13125550199"


def counted(stack: Stack, event_id: str, *, subject: str = SUBJECT, within: float = 60.0, most: int = 3) -> int:
    return stack.ask(lambda store: count_failure(store, subject, event_id, within=within, most=most))


def scores(stack: Stack) -> dict[bytes, float]:
    """The only key's events and their times."""

    async def read(store: Store) -> dict[bytes, float]:
        [key] = [each async for each in store.redis.scan_iter(match=f"{store.namespace}:delivery_failures:*")]
        assert 0 < await store.redis.pttl(key) <= 60_000
        return dict(await store.redis.zrange(key, 0, -1, withscores=True))

    return stack.ask(read)


def test_each_event_counts_once(stack: Stack) -> None:
    assert [counted(stack, each) for each in ("a", "b", "a", "b")] == [1, 2, 2, 2]
    assert counted(stack, "a", subject="40010:acme_agent") == 1


def test_a_repetition_does_not_renew_a_failure(stack: Stack) -> None:
    counted(stack, "a")
    before = scores(stack)
    # Two turns to Redis later its clock has moved on.
    counted(stack, "b")
    counted(stack, "a")
    assert scores(stack)[b"a"] == before[b"a"]


def test_no_more_are_kept_than_are_needed(stack: Stack) -> None:
    assert [counted(stack, str(each)) for each in range(6)] == [1, 2, 3, 3, 3, 3]
    assert len(scores(stack)) == 3


def test_failures_lapse(stack: Stack) -> None:
    counted(stack, "old")

    async def age(store: Store) -> None:
        [key] = [each async for each in store.redis.scan_iter(match=f"{store.namespace}:delivery_failures:*")]
        await store.redis.zincrby(key, -61_000, "old")

    stack.ask(age)
    assert counted(stack, "new") == 1
