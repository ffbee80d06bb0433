"""What becomes of a handler by how it ends, and that siblings do not share its fate."""

import asyncio
import itertools
from datetime import timedelta
from typing import Any

import pytest
from pydantic import BaseModel

from service import Context, Discard, Event, Retry, Router
from service.store.inbox.records import EventRecord
from tests.stack import Stack
from tests.telnyx_events import envelope, fresh_number


def something() -> dict[str, Any]:
    return envelope("test.something", {"number": fresh_number()})


def one_handler(behave: Any, **options: Any) -> Router:
    router = Router()

    @router.on("test.*", **options)
    async def handler(event: Event, ctx: Context) -> None:
        await behave(event, ctx)

    return router


def waiting(record: EventRecord) -> bool:
    return record.handlers.get("handler") is not None and record.handlers["handler"].state != "pending"


@pytest.mark.usefixtures("real_pauses")
def test_an_ordinary_exception_is_retried_after_about_a_second_then_dead_and_kept(stack: Stack) -> None:
    attempts: list[int] = []

    async def fail(event: Event[Any], ctx: Context) -> None:
        attempts.append(ctx.attempt)
        raise KeyError("the text of a message")

    stack.start_worker(one_handler(fail, max_attempts=2))
    event = something()
    stack.deliver(event)

    first = stack.when(event, waiting).handlers["handler"]
    assert (first.state, first.attempts, first.reason) == ("waiting", 1, "error")
    assert first.error is not None
    assert first.error.startswith("KeyError at test_outcomes.py:")
    record = stack.ended(event)
    assert (record.state, record.handlers["handler"].state, record.handlers["handler"].attempts) == ("dead", "dead", 2)
    assert attempts == [1, 2]
    assert record.body is not None


def test_a_handler_that_succeeds_at_its_second_attempt_is_done(stack: Stack) -> None:
    runs = itertools.count()

    async def flaky(event: Event[Any], ctx: Context) -> None:
        if next(runs) == 0:
            raise ValueError

    stack.start_worker(one_handler(flaky))
    event = something()
    stack.deliver(event)

    assert stack.ended(event).handlers["handler"].attempts == 1


def test_a_retry_costs_no_attempt(stack: Stack) -> None:
    attempts: list[int] = []

    async def later(event: Event[Any], ctx: Context) -> None:
        attempts.append(ctx.attempt)
        if len(attempts) < 4:
            raise Retry(after=timedelta(milliseconds=10))

    stack.start_worker(one_handler(later, max_attempts=1))
    event = something()
    stack.deliver(event)

    assert stack.ended(event).state == "done"
    assert attempts == [1, 1, 1, 1]


def test_a_retry_ends_as_dead_after_the_longest_wait(stack: Stack) -> None:
    async def later(event: Event[Any], ctx: Context) -> None:
        raise Retry(after=0.01, reason="not_yet")

    stack.start_worker(one_handler(later), max_wait=0.1)
    event = something()
    stack.deliver(event)

    record = stack.ended(event)
    assert (record.state, record.handlers["handler"].reason) == ("dead", "not_yet")


def test_a_discard_is_done_with_its_reason(stack: Stack) -> None:
    async def discard(event: Event[Any], ctx: Context) -> None:
        raise Discard("not_ours")

    stack.start_worker(one_handler(discard))
    event = something()
    stack.deliver(event)

    record = stack.ended(event)
    assert (record.state, record.handlers["handler"].reason) == ("done", "not_ours")


def test_a_timeout_is_an_attempt(stack: Stack) -> None:
    async def hang(event: Event[Any], ctx: Context) -> None:
        await asyncio.Event().wait()

    stack.start_worker(one_handler(hang, timeout=0.05, max_attempts=1))
    event = something()
    stack.deliver(event)

    record = stack.ended(event)
    assert (record.state, record.handlers["handler"].reason) == ("dead", "TimeoutError")


@pytest.mark.parametrize("error", [SystemExit(1), KeyboardInterrupt(), asyncio.CancelledError(), GeneratorExit()])
def test_what_would_end_a_process_is_contained(stack: Stack, error: BaseException) -> None:
    async def leave(event: Event[Any], ctx: Context) -> None:
        raise error

    stack.start_worker(one_handler(leave, max_attempts=1))
    first, second = something(), something()
    for event in (first, second):
        stack.deliver(event)

    assert [stack.ended(event).state for event in (first, second)] == ["dead", "dead"]


def test_siblings_are_not_run_again(stack: Stack) -> None:
    runs: list[str] = []
    router = Router()

    @router.on("test.something")
    async def steady(event: Event, ctx: Context) -> None:
        runs.append("steady")

    @router.on("test.something", max_attempts=2)
    async def failing(event: Event, ctx: Context) -> None:
        runs.append("failing")
        raise ValueError

    stack.start_worker(router)
    event = something()
    stack.deliver(event)

    record = stack.ended(event)
    assert record.state == "dead"
    assert (record.handlers["steady"].state, record.handlers["failing"].state) == ("done", "dead")
    assert sorted(runs) == ["failing", "failing", "steady"]


def test_an_event_that_nobody_subscribes_to_is_ignored(stack: Stack) -> None:
    stack.start_worker(Router())
    event = something()
    stack.deliver(event)

    assert stack.ended(event).state == "ignored"


def test_a_payload_that_does_not_fit_goes_dead_with_the_field_named_for_that_handler_alone(stack: Stack) -> None:
    class Order(BaseModel):
        total: int

    router = Router()

    @router.on("test.something")
    async def typed(event: Event[Order], ctx: Context) -> None: ...

    @router.on("test.something")
    async def plain(event: Event, ctx: Context) -> None: ...

    stack.start_worker(router)
    event = envelope("test.something", {"total": "call +13125550001"})
    stack.deliver(event)

    record = stack.ended(event)
    assert (record.handlers["typed"].state, record.handlers["plain"].state) == ("dead", "done")
    assert record.handlers["typed"].error == "the payload does not fit its model: total (int_parsing)"


def sending(number: str) -> Any:
    async def send(event: Event[Any], ctx: Context) -> None:
        await ctx.telnyx.messages.send(to=number, from_="+13125550199", text="hello")

    return send


def refuse(stack: Stack, status: int, code: str, **fields: Any) -> None:
    stack.simulator.add_fault(method="POST", path="/messages", kind="status", status=status, code=code, **fields)


@pytest.mark.parametrize(
    ("status", "code", "state", "reason"),
    [
        (400, "40310", "dead", "40310"),
        (403, "40300", "dead", "40300"),
        (409, "40300", "dead", "40300"),
        (404, "10005", "dead", "10005"),
        (422, "40001", "dead", "40001"),
        (401, "10009", "parked", "credentials"),
        (403, "10010", "parked", "permission"),
        (403, "40312", "parked", "profile_disabled"),
        (403, "40333", "parked", "spending_limit"),
        (429, "10011", "waiting", "rate_limit"),
        (409, "10000", "waiting", "in_progress"),
        (500, "10007", "waiting", "telnyx_outage"),
        (503, "10007", "waiting", "telnyx_outage"),
    ],
)
def test_a_refusal_by_telnyx_is_final_passing_or_of_the_account(
    stack: Stack, status: int, code: str, state: str, reason: str
) -> None:
    refuse(stack, status, code, headers={"retry-after": "30"} if status in {429, 503} else {})
    number = fresh_number()
    stack.start_worker(one_handler(sending(number)))
    event = something()
    stack.deliver(event)

    handler = stack.when(event, waiting).handlers["handler"]
    assert (handler.state, handler.reason) == (state, reason)
    assert handler.attempts == (1 if state == "dead" else 0)
    assert handler.error is not None
    assert number not in handler.error
    assert stack.effects(event)[0].status == status
    if status in {429, 503}:
        assert 20_000 < handler.due - (handler.waiting_since or 0) <= 30_500


def test_a_passing_refusal_is_tried_again_and_succeeds(stack: Stack) -> None:
    refuse(stack, 503, "10007")
    number = fresh_number()
    stack.start_worker(one_handler(sending(number)))
    event = something()
    stack.deliver(event)

    record = stack.ended(event)
    assert (record.state, record.handlers["handler"].attempts) == ("done", 0)
    [effect] = stack.effects(event)
    assert [sent.status for sent in effect.sent] == [503, 200]
    assert len(stack.sent_to(number)) == 1


def test_a_stop_that_telnyx_tells_of_is_remembered(stack: Stack) -> None:
    refuse(stack, 403, "40300")
    number = fresh_number()
    known: list[bool] = []

    async def send(event: Event[Any], ctx: Context) -> None:
        known.append(await ctx.opted_out(number))
        await sending(number)(event, ctx)

    stack.start_worker(one_handler(send))
    first, second = something(), something()
    stack.deliver(first)
    assert stack.ended(first).handlers["handler"].reason == "40300"
    stack.deliver(second)
    stack.ended(second)
    assert known == [False, True]


def test_the_lifespan_of_a_router_is_the_state_of_its_handlers_alone(stack: Stack) -> None:
    from contextlib import asynccontextmanager

    seen: dict[str, Any] = {}

    @asynccontextmanager
    async def shared() -> Any:
        yield "shared"
        seen["closed"] = True

    with_state, without = Router(lifespan=shared), Router()

    @with_state.on("test.something")
    async def has(event: Event, ctx: Context) -> None:
        seen["has"] = ctx.state

    @without.on("test.something")
    async def lacks(event: Event, ctx: Context) -> None:
        seen["lacks"] = ctx.state

    stack.start_worker(Router(with_state, without))
    event = something()
    stack.deliver(event)
    stack.ended(event)
    stack.workers.close()

    assert seen == {"has": "shared", "lacks": None, "closed": True}


def test_emitted_and_scheduled_events_are_raised_once_per_key_and_can_be_called_off(stack: Stack) -> None:
    raised: list[str] = []
    router = Router()

    @router.on("test.something")
    async def raising(event: Event, ctx: Context) -> None:
        await ctx.cancel("never")
        await ctx.cancel("never")
        for _ in range(2):
            await ctx.emit("derived.now", {"n": 1}, key="one")
            await ctx.schedule("derived.soon", {"n": 2}, after=0.05, key="two")
        await ctx.schedule("derived.soon", {"n": 3}, after=0, key="never")
        await ctx.schedule("derived.soon", {"n": 4}, after=3600, key="called off")
        await ctx.cancel("called off")

    @router.on("derived.*")
    async def derived(event: Event, ctx: Context) -> None:
        raised.append(f"{event.type} {event.payload['n']} {event.arrived_by}")

    stack.start_worker(router)
    event = something()
    stack.deliver(event)

    assert stack.ended(event).state == "done"
    assert stack.ended("schedule:two").state == "done"
    assert stack.ended("emit:one").state == "done"
    assert stack.ended("schedule:called off").state == "ignored"
    assert sorted(raised) == ["derived.now 1 emit", "derived.soon 2 schedule"]


def test_what_runs_at_shutdown_is_handed_back_at_no_cost(stack: Stack) -> None:
    runs: list[int] = []

    async def slow(event: Event[Any], ctx: Context) -> None:
        runs.append(ctx.attempt)
        if len(runs) == 1:
            await asyncio.Event().wait()

    stack.start_worker(one_handler(slow))
    event = something()
    stack.deliver(event)
    from tests.waiting import wait_for

    wait_for(lambda: runs)
    stack.workers.close()
    assert stack.recorded(event["data"]["id"]).state == "open"
    stack.start_worker(one_handler(slow))

    record = stack.ended(event)
    assert (record.state, record.handlers["handler"].attempts, runs) == ("done", 0, [1, 1])


@pytest.mark.filterwarnings("ignore:Call to deprecated close:DeprecationWarning")  # arq's own, at its end
@pytest.mark.one_server("arq itself cannot use a cluster, and wants rights of its own")
def test_stock_arq_drains_the_queue_to_the_same_end_state(stack: Stack) -> None:
    import arq.worker

    from service.worker.arq_compat import stock_settings

    async def behave(event: Event[Any], ctx: Context) -> None:
        if event.payload["n"] % 3 == 1:
            raise Discard("one")
        if event.payload["n"] % 3 == 2:
            raise ValueError

    router = one_handler(behave, max_attempts=1)
    events = [envelope("test.something", {"n": n}) for n in range(9)] + [envelope("other.type", {})]
    for event in events:
        stack.deliver(event)
    stack.ask(lambda store: store.redis.zadd(store.keys.queue, {store.keys.job_id("no-event"): 1}))

    async def drain() -> None:
        settings = stock_settings(stack.settings, router, stack.redis_url)
        worker = arq.worker.create_worker(settings, burst=True, handle_signals=False, poll_delay=0.01)
        await worker.main()
        await worker.close()

    stack.host.portal.call(drain)

    assert [stack.ended(event).state for event in events] == ["done", "done", "dead"] * 3 + ["ignored"]
    leftovers = stack.ask(lambda store: store.redis.zcard(store.keys.queue))
    assert leftovers == 0


class ByNumber(BaseModel):
    rates: dict[str, int]


def test_an_unfit_field_that_is_named_after_a_number_is_masked(stack: Stack) -> None:
    router = Router()

    @router.on("test.rates")
    async def reads(event: Event[ByNumber], ctx: Context) -> None: ...

    number = fresh_number()
    stack.start_worker(router)
    stack.deliver(event := envelope("test.rates", {"rates": {number: "many"}}))
    handler = stack.ended(event).handlers["reads"]
    assert handler.reason == "payload"
    assert number[-7:] not in str(handler)
    assert "rates." in str(handler.error)
