"""The next claim of a busy worker leaves before the handlers of the last one run."""

from collections.abc import Callable
from typing import Any

from service import Context, Event, Router
from service.store.connection import connect_blocking
from service.worker.worker import Worker
from tests.stack import Stack
from tests.telnyx_events import envelope
from tests.waiting import wait_for


def claimed(stack: Stack, workers: list[Worker]) -> int:
    """How many events the worker has claimed, asked beside its event loop."""
    redis: Any = connect_blocking(stack.redis_url, timeout=5)
    with redis:
        return int(redis.scard(f"{stack.keys.namespace}:held:{workers[0].processor.leases.worker}"))


def blocking_once(stack: Stack, workers: list[Worker], meanwhile: Callable[[], Any]) -> Router:
    """A handler that blocks the event loop in its first run, until Redis has given the worker the next events."""
    router, runs = Router(), list[str]()

    @router.on("test.ahead")
    async def look(event: Event, ctx: Context) -> None:
        runs.append(event.id)
        if len(runs) == 1:
            wait_for(lambda: workers and claimed(stack, workers) == 4, seconds=5)
            meanwhile()

    return router


def test_redis_claims_the_next_events_while_handlers_of_the_last_ones_run(stack: Stack) -> None:
    bodies, workers = [envelope("test.ahead", {}) for _ in range(7)], list[Worker]()
    for body in bodies:
        stack.deliver(body)
    workers.append(stack.start_worker(blocking_once(stack, workers, lambda: None), concurrency=4))
    ended = [stack.ended(body) for body in bodies]
    assert {(each.state, each.handlers["look"].runs_counted) for each in ended} == {("done", 1)}


def test_a_worker_that_ends_hands_back_what_it_has_claimed_ahead(stack: Stack) -> None:
    bodies, workers = [envelope("test.ahead", {}) for _ in range(4)], list[Worker]()
    for body in bodies:
        stack.deliver(body)

    def end() -> None:
        assert workers[0].main_task is not None
        workers[0].main_task.cancel()

    workers.append(stack.start_worker(blocking_once(stack, workers, end), concurrency=4))
    wait_for(lambda: (main := workers[0].main_task) is not None and main.done())
    leases = [stack.recorded(body["data"]["id"]).leased_until for body in bodies[2:]]
    assert leases == [None, None]
