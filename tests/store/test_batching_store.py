"""Calls of scripts by many tasks at once: one turn to Redis, each with its own answer or error."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest
from redis.exceptions import RedisError, ResponseError

from service.outbound.handler_run_state import Run, current_run
from service.store.batching import Batcher, BatchingStore
from service.store.connection import connect
from service.store.inbox.records import whole_number
from service.store.store import check_cancelled
from service.worker.held_leases import note_tasks
from tests.stack import Stack


def with_store(stack: Stack, work: Callable[[BatchingStore], Awaitable[None]], url: str | None = None) -> None:
    async def do() -> None:
        redis = connect(url or stack.redis_url, timeout=2, connections=4)
        try:
            await work(BatchingStore.of(redis, stack.settings))
        finally:
            await redis.aclose()

    asyncio.run(do())


async def evaluations(store: BatchingStore) -> int:
    told: Any = await store.redis.info("stats")
    return whole_number(str(told["total_reads_processed"]).encode()) or 0


def test_calls_at_once_take_few_turns_and_each_gets_its_own_answer(own_stack: Stack) -> None:
    async def ask(store: BatchingStore) -> None:
        await store.run("pause", "handler:first", "first", "for a while", "resume it")
        before = await evaluations(store)
        handlers = [f"h{number // 2}" for number in range(100)]
        pauses = (store.run("pause", f"handler:{each}", each, "for a while", "resume it") for each in handlers)
        assert await asyncio.gather(*pauses) == [1, 0] * 50
        # The first goes out alone, the others together: a large batch may be read in parts.
        assert await evaluations(store) - before < 20

    with_store(own_stack, ask)


def test_an_error_belongs_to_the_call_that_made_it(stack: Stack) -> None:
    async def ask(store: BatchingStore) -> None:
        calls = [store.run("totals"), store.run("pause"), store.run("totals")]
        first, failed, last = await asyncio.gather(*calls, return_exceptions=True)
        assert isinstance(failed, ResponseError)
        assert first == last

    with_store(stack, ask)


def test_scripts_that_the_server_has_forgotten_are_loaded_again(own_stack: Stack) -> None:
    async def ask(store: BatchingStore) -> None:
        await store.redis.script_flush()
        answers = await asyncio.gather(*(store.run("totals") for _ in range(5)))
        assert all(each == answers[0] for each in answers)

    with_store(own_stack, ask)


def test_a_caller_that_is_cancelled_cuts_off_no_other(stack: Stack) -> None:
    async def ask(store: BatchingStore) -> None:
        first = asyncio.create_task(store.run("totals"))
        others = [asyncio.create_task(store.run("totals")) for _ in range(3)]
        await asyncio.sleep(0)
        first.cancel()
        assert len(await asyncio.gather(*others)) == 3

    with_store(stack, ask)


def test_each_caller_hears_that_redis_is_gone(stack: Stack) -> None:
    async def ask(store: BatchingStore) -> None:
        answers = await asyncio.gather(*(store.run("totals") for _ in range(5)), return_exceptions=True)
        assert all(isinstance(each, RedisError) for each in answers)

    with_store(stack, ask, url="redis://127.0.0.1:1/0")


def test_a_handler_that_ends_cuts_off_no_call_of_another(stack: Stack) -> None:
    async def ask(store: BatchingStore) -> None:
        note_tasks(asyncio.get_running_loop())
        run = SimpleNamespace(tasks=set())
        current_run.set(cast("Run", run))
        call = asyncio.create_task(store.run("totals"))
        await asyncio.sleep(0)
        # Its tasks are cancelled when the handler ends. The batch is none of them.
        assert run.tasks == {call}
        await call

    with_store(stack, ask)


def test_the_next_batch_leaves_before_the_answers_of_the_last_one() -> None:
    seen: list[str] = []

    async def commit(items: Sequence[str]) -> Sequence[str]:
        seen.append(f"commit {' '.join(items)}")
        await asyncio.sleep(0)
        return items

    class Answer:
        def done(self) -> bool:
            return False

        def set_result(self, result: str) -> None:
            seen.append(f"answer {result}")

        def set_exception(self, exception: Exception) -> None:
            raise AssertionError(exception)

    async def run() -> None:
        batcher: Batcher[str, str] = Batcher(commit, passing=())
        batcher.add("a", Answer())
        await asyncio.sleep(0)
        batcher.add("b", Answer())
        batcher.add("c", Answer())
        while len(seen) < 5:  # noqa: ASYNC110 - one turn of the loop
            await asyncio.sleep(0)

    asyncio.run(asyncio.wait_for(run(), 5))
    assert seen == ["commit a", "commit b c", "answer a", "answer b", "answer c"]


@pytest.mark.parametrize("items", [("a", "odd", "b"), ("a", "odd"), ("odd", "a")])
def test_what_fails_a_script_fails_alone_and_once(items: tuple[str, ...]) -> None:
    committed: list[str] = []

    async def commit(items: Sequence[str]) -> Sequence[str]:
        await asyncio.sleep(0)
        if "odd" in items:
            raise ResponseError("user_script:1: too many results to unpack")
        committed.extend(items)
        return items

    async def run() -> list[object]:
        batcher: Batcher[str, str] = Batcher(commit, passing=(RedisError,))
        return [*await asyncio.gather(*map(batcher.submit, items), return_exceptions=True)]

    answers = asyncio.run(asyncio.wait_for(run(), 5))
    assert isinstance(answers.pop(items.index("odd")), ResponseError)
    assert answers == committed == [each for each in items if each != "odd"]


def in_batches(*groups: str, interval: float) -> list[str]:
    """Return the batches in which items leave. Those of one group come in one turn of the loop, groups in two."""
    batches: list[str] = []

    async def commit(items: Sequence[str]) -> Sequence[str]:
        batches.append("".join(items))
        return items

    async def run() -> None:
        batcher: Batcher[str, str] = Batcher(commit, passing=(), most=8, interval=lambda: interval)
        await batcher.submit("first")
        answers = []
        for group in groups:
            answers += [batcher.submit(item) for item in group]
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        await asyncio.gather(*answers)

    asyncio.run(asyncio.wait_for(run(), 30))
    return batches


def test_small_batches_leave_an_interval_apart() -> None:
    assert in_batches("a", "b", "c", interval=0.05) == ["first", "abc"]


def test_without_an_interval_a_batch_leaves_at_once() -> None:
    assert in_batches("a", "b", "c", interval=0.0) == ["first", "a", "b", "c"]


def test_a_batch_with_enough_items_waits_for_no_interval() -> None:
    assert in_batches("ab", interval=60.0) == ["first", "ab"]


def test_outside_of_a_task_nothing_was_cancelled() -> None:
    async def look() -> None:
        looked: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def look_here() -> None:
            check_cancelled()
            looked.set_result(None)

        asyncio.get_running_loop().call_soon(look_here)
        await asyncio.wait_for(looked, timeout=5)

    asyncio.run(look())
