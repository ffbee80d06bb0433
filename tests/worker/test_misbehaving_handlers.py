"""Handlers that do what no handler should, by mistake: their own run ends, and nothing else suffers."""

import asyncio
import signal
import time
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from handlers import router as built_in
from service import Context, Discard, Event, Retry, Router
from service.outcome import Dead
from service.store.inbox.audit import audit
from service.store.inbox.handler_records import HandlerRecord
from service.store.store import Store
from service.worker.outcomes import Limits, after_error, done
from tests.processes.fleet import open_fleet
from tests.stack import Stack
from tests.telnyx_events import envelope, finalized_rcs, fresh_number
from tests.tiers import slow
from tests.waiting import wait_for

LIMITS = Limits(max_attempts=8, max_wait=7 * 86_400, outage_patience=22 * 3600)


class BadDiscard(Discard):
    def __init__(self) -> None: ...


ENDINGS: dict[str, tuple[Callable[[], BaseException], str]] = {
    "a reason that is no text": (lambda: Discard(ValueError("x")), "done"),  # type: ignore[arg-type]
    "a reason that is no UTF-8": (lambda: Discard("caf\udce9"), "done"),
    "a very long reason": (lambda: Discard("x" * 100_000), "done"),
    "an outcome made wrongly": (BadDiscard, "dead"),
    "a wait of ages": (lambda: Retry(after=timedelta(days=999_999_999)), "open"),
    "a detail that is no UTF-8": (lambda: Dead("r", "\udce9"), "dead"),
}


@pytest.mark.parametrize("name", ENDINGS)
def test_an_ending_that_can_hardly_be_told_is_recorded_and_its_sibling_is_not_run_again(
    stack: Stack, name: str
) -> None:
    make, state = ENDINGS[name]
    runs: Counter[str] = Counter()
    router = Router()

    @router.on("test.something", max_attempts=1)
    async def bad(event: Event, ctx: Context) -> None:
        runs["bad"] += 1
        raise make()

    @router.on("test.something")
    async def sibling(event: Event, ctx: Context) -> None:
        runs["sibling"] += 1

    stack.start_worker(router)
    stack.deliver(event := envelope("test.something", {}))
    record = stack.when(
        event,
        lambda record: bool(record.handlers) and all(each.state != "pending" for each in record.handlers.values()),
    )
    assert record.state == state
    assert runs == {"bad": 1, "sibling": 1}


def test_a_handler_that_cancels_itself_has_failed(stack: Stack) -> None:
    router = Router()

    @router.on("test.something", max_attempts=1)
    async def lemming(event: Event, ctx: Context) -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await asyncio.sleep(1)

    stack.start_worker(router)
    stack.deliver(event := envelope("test.something", {}))
    assert stack.ended(event).handlers["lemming"].reason == "CancelledError"


@pytest.mark.parametrize("count", [15, pytest.param(60, marks=pytest.mark.slow)])
def test_an_event_that_comes_back_at_once_is_never_run_twice_at_the_same_time(stack: Stack, count: int) -> None:
    """It may be claimed again before its last run has quite left the worker's hands."""
    active: Counter[str] = Counter()
    runs: Counter[str] = Counter()
    overlapping: list[str] = []
    router = Router()

    @router.on("test.something")
    async def again(event: Event, ctx: Context) -> None:
        runs[event.id] += 1
        if active[event.id]:
            overlapping.append(event.id)
        active[event.id] += 1
        await asyncio.sleep(0.6 if runs[event.id] % 10 == 0 else 0)
        active[event.id] -= 1
        if runs[event.id] < 21:
            raise Retry(after=0)

    stack.start_worker(router, lease=3.0)
    events = [envelope("test.something", {}) for _ in range(count)]
    for event in events:
        stack.deliver(event)
    for event in events:
        assert stack.ended(event).state == "done"
    assert overlapping == []
    assert set(runs.values()) == {21}
    assert stack.ask(audit).clean


@pytest.mark.parametrize("asked", ["0", *slow("-5", "nonsense"), None])
@pytest.mark.usefixtures("real_pauses")
def test_being_asked_to_wait_for_no_time_is_no_reason_to_hammer(stack: Stack, asked: str | None) -> None:
    headers = {} if asked is None else {"retry-after": asked}
    stack.simulator.add_fault(kind="status", status=503, path="/messages", times=None, headers=headers)
    router = Router()

    @router.on("test.something")
    async def send(event: Event, ctx: Context) -> None:
        await ctx.telnyx.messages.send(to="+13125550001", from_="+13125550199", text="hello")

    stack.start_worker(router)
    stack.deliver(event := envelope("test.something", {}))
    record = stack.when(event, lambda record: bool(record.handlers) and record.handlers["send"].waits >= 2)
    handler = record.handlers["send"]
    assert handler.due - (handler.waiting_since or 0) >= 2_500


def test_one_recipient_who_is_refused_does_not_keep_the_others_from_their_sms(stack: Stack) -> None:
    stack.start_worker(built_in)
    stopped, other = fresh_number(), fresh_number()
    stack.simulator.add_fault(kind="status", status=403, code="40300", recipient=stopped)
    payload = finalized_rcs("delivery_failed", stopped)
    payload["to"].append({"phone_number": other, "status": "delivery_failed"})
    stack.deliver(event := envelope("message.finalized", payload))

    assert stack.ended(event).handlers["sms_fallback"].reason == "40300"
    assert len(stack.sent_to(other)) == 1


def test_a_timer_called_off_before_it_was_scheduled_stays_called_off(stack: Stack) -> None:
    fired: list[str] = []
    router = Router()

    @router.on("test.stop")
    async def call_off(event: Event, ctx: Context) -> None:
        await ctx.cancel("timer")

    @router.on("test.go")
    async def go(event: Event, ctx: Context) -> None:
        await ctx.schedule("test.timer", {}, after=0, key="timer")
        if ctx.attempt == 1:
            raise ValueError

    @router.on("test.timer")
    async def timer(event: Event, ctx: Context) -> None:
        fired.append(event.id)

    stack.start_worker(router)
    for event in (envelope("test.stop", {}), envelope("test.go", {})):
        stack.deliver(event)
        assert stack.ended(event).state == "done"
    assert (fired, stack.record("schedule:timer")) == ([], None)


def test_what_a_task_group_wraps_counts_as_if_it_were_bare() -> None:
    group = ExceptionGroup("group", [ExceptionGroup("inner", [Discard("why")])])
    assert after_error(HandlerRecord(), group, LIMITS, 0) == done(HandlerRecord(), 0, "why")
    mixed = ExceptionGroup("group", [Discard("why"), ValueError()])
    assert after_error(HandlerRecord(), mixed, LIMITS, 0).attempts == 1


def ended_after(errors: list[BaseException], *, step: int) -> tuple[str, int]:
    """In which state, and after how many seconds, a handler ends that raises these in turn."""
    record, now = HandlerRecord(), 0
    for n in range(200_000):
        record = after_error(record, errors[n % len(errors)], LIMITS, now)
        if record.ended:
            return record.state, now // 1000
        now = max(record.due, now + step)
    return record.state, now // 1000


@pytest.mark.parametrize(
    "errors",
    [
        [Retry(after=3600)],
        [Retry(after=3600, reason="one"), Retry(after=60, reason="other")],
        [Retry(after=timedelta(days=365))],
    ],
    ids=["one reason", "two reasons in turn", "a year"],
)
def test_no_mixture_of_waits_lasts_longer_than_the_longest(errors: list[BaseException]) -> None:
    state, seconds = ended_after(errors, step=1000)
    assert state == "dead"
    assert 7 * 86_400 <= seconds <= 7 * 86_400 + 3600


def test_a_long_wait_of_the_handlers_own_does_not_use_up_the_patience_with_an_outage() -> None:
    from telnyx import APIConnectionError

    outage = APIConnectionError(request=httpx.Request("POST", "https://telnyx.example"))
    record = HandlerRecord()
    record = after_error(record, Retry(after=3 * 86_400), LIMITS, 0)
    record = after_error(record, outage, LIMITS, record.due)
    assert (record.state, record.reason) == ("waiting", "telnyx_unreachable")
    for _ in range(1100):
        record = after_error(record, outage, LIMITS, record.due)
    assert record.state == "waiting", "about 18 hours of tries, and no overflow"


STUBBORN = """
import asyncio
from pathlib import Path
from service import Context, Event, Router

router = Router()

@router.on("test.stubborn")
async def stubborn(event: Event, ctx: Context) -> None:
    Path("begun").write_text("")
    while True:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            pass
"""


@pytest.mark.slow
def test_a_handler_that_ignores_its_cancellation_does_not_keep_its_worker_alive(tmp_path: Path) -> None:
    with open_fleet(tmp_path, STUBBORN, RINGBACK_GRACE="1s") as fleet:
        fleet.start_ingress()
        worker = fleet.start_worker()
        fleet.accepted(envelope("test.stubborn", {}))
        wait_for((tmp_path / "begun").exists)
        worker.send_signal(signal.SIGTERM)
        began = time.monotonic()
        assert worker.wait(30) == 0
        assert time.monotonic() - began < 1 + 15


@pytest.mark.slow
def test_a_worker_that_waits_for_redis_at_its_start_ends_on_sigterm(tmp_path: Path) -> None:
    with open_fleet(tmp_path, STUBBORN) as fleet:
        worker = fleet.start("worker", REDIS_URL="redis://127.0.0.1:1/0")
        log = tmp_path / "worker-0.log"
        wait_for(lambda: b"connection refused" in log.read_bytes())
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(10) == 0


@pytest.mark.slow
def test_sigterm_is_not_kept_waiting_by_a_redis_that_is_away(tmp_path: Path) -> None:
    with open_fleet(tmp_path, STUBBORN.replace("except asyncio.CancelledError", "except ValueError")) as fleet:
        fleet.start_ingress()
        worker = fleet.start_worker(RINGBACK_LEASE="60s", RINGBACK_GRACE="1s")
        fleet.accepted(envelope("test.stubborn", {}))
        wait_for((tmp_path / "begun").exists)
        fleet.server.process.kill()
        worker.send_signal(signal.SIGTERM)
        began = time.monotonic()
        assert worker.wait(30) == 0
        assert time.monotonic() - began < 1 + 10


LEAKS = """
import asyncio
from service import Context, Event, Router
from telnyx import APIError

router = Router()

@router.on("test.leak")
async def leak(event: Event, ctx: Context) -> None:
    async def fail() -> None:
        raise ValueError(f"{event.payload['text']} to {event.payload['number']}")
    asyncio.create_task(fail())
    await asyncio.sleep(0.01)
    try:
        await ctx.telnyx.messaging.rcs.retrieve_capabilities(event.payload["number"], agent_id="nobody")
    except APIError:
        pass
    await ctx.emit("test.derived", {}, key=event.payload["number"])
"""


@pytest.mark.slow
def test_what_a_handler_leaves_behind_tells_nothing_private(tmp_path: Path) -> None:
    number, text = "+13125550123", "your PIN is 4711"
    with open_fleet(tmp_path, LEAKS) as fleet:
        fleet.start_ingress()
        fleet.start_worker()
        event = envelope("test.leak", {"number": number, "text": text})
        fleet.accepted(event)
        assert fleet.ended(event).state == "done"
        log = tmp_path / "worker-1.log"
        fleet.processes[-1].send_signal(signal.SIGTERM)
        fleet.processes[-1].wait(10)
        told = log.read_text()
    assert "ValueError at my_handlers.py" in told
    for private in (text, number, number[1:]):
        assert private not in told


@pytest.mark.one_server("arq itself cannot use a cluster, and wants rights of its own")
def test_jobs_of_arqs_own_that_are_in_progress_do_not_hide_events(stack: Stack) -> None:
    async def occupy(store: Store) -> None:
        for n in range(5):
            await store.redis.set(f"arq:in-progress:busy-{n}", b"1", ex=60)
            await store.redis.zadd(store.keys.queue, {f"busy-{n}": n + 1})

    stack.ask(occupy)
    router = Router()

    @router.on("test.something")
    async def quick(event: Event, ctx: Context) -> None: ...

    stack.start_worker(router, concurrency=3)
    stack.deliver(event := envelope("test.something", {}))
    assert stack.ended(event).state == "done"
