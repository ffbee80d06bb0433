"""Times of handlers and rates of events: counted by workers, added up by the minute and the hour, bounded."""

import itertools
import json
import time

import pytest

from service import Context, Event, Router
from service.store.connection import connect_blocking
from service.store.inbox.handler_times import BOUNDS, Histogram, merged, read_times
from service.store.inbox.leases import renewal
from service.store.inbox.rates import read_rates
from service.store.store import Store
from service.worker.metrics import TimesRecorder
from tests.cli.at_stack import run_at
from tests.stack import Stack
from tests.telnyx_events import envelope
from tests.waiting import wait_for

router = Router()


@router.on("test.*")
async def greet(event: Event, ctx: Context) -> None:
    if event.payload.get("fails"):
        raise ValueError


@router.on("test.*")
async def thank(event: Event, ctx: Context) -> None: ...


def send(stack: Stack, times: bytes) -> None:
    stack.ask(lambda store: store.run("renew", *renewal("w", (), lease=15, answered=1, times=times)))


def counted(stack: Stack, **options: object) -> dict[str, tuple[int, int]]:
    spans = stack.ask(lambda store: read_times(store, **options))  # type: ignore[arg-type]
    return {name: (each.pickup.total, each.run.total) for name, each in merged(spans).items()}


@pytest.mark.parametrize(
    ("observed", "share", "bound"),
    [
        ([], 0.5, None),
        ([1], 0.5, 1),
        ([3] * 99 + [70], 0.5, 5),
        ([3] * 99 + [70], 0.99, 5),
        ([3] * 98 + [70] * 2, 0.99, 100),
        ([10**9], 0.99, BOUNDS[-1]),
        ([0, -5], 0.99, 1),
    ],
)
def test_a_quantile_is_the_bound_of_its_bucket(observed: list[int], share: float, bound: int | None) -> None:
    recorder = TimesRecorder()
    for each in observed:
        recorder.observe("greet", pickup=each, run=each)
    told = recorder.take()
    counts = [0] * (len(BOUNDS) + 1)
    for handlers in json.loads(told or b"{}").values():
        for name, count in handlers["greet"].items():
            counts[int(name[1:])] += count if name[0] == "p" else 0
    assert Histogram(tuple(counts)).quantile(share) == bound
    assert recorder.take() == b""


def test_what_could_not_be_sent_is_sent_with_the_next_counts() -> None:
    recorder = TimesRecorder()
    recorder.observe("greet", pickup=1, run=3)
    recorder.give_back(taken := recorder.take())
    recorder.give_back(b"")
    assert recorder.take() == taken


def test_workers_add_up_by_the_minute_and_the_hour_for_a_day(stack: Stack) -> None:
    recorder = TimesRecorder()
    for _ in range(2):
        recorder.observe("greet", pickup=1, run=3)
        recorder.observe("thank", pickup=10**6, run=0)
        send(stack, recorder.take())
    assert counted(stack) == counted(stack, span="hour", spans=24) == {"greet": (2, 2), "thank": (2, 2)}
    with connect_blocking(stack.redis_url, timeout=10) as redis:
        keys = list(redis.scan_iter(f"{stack.settings.namespace}:handler_times:*"))
        assert len(keys) == 2
        assert all(86_400 < int(redis.ttl(each)) <= 90_000 for each in keys)


def test_handlers_are_bounded_and_damaged_counts_are_none(stack: Stack) -> None:
    minute = str(int(time.time() // 60))
    many = {f"h{each}": {"p0": 1} for each in range(499)} | {"damaged": {"x9": 1}}
    send(stack, json.dumps({minute: many}).encode())
    send(stack, json.dumps({minute: {"one_too_many": {"p0": 1}, "h0": {"p0": 1}}}).encode())
    found = counted(stack)
    assert (len(found), found["h0"], found["damaged"], "one_too_many" in found) == (500, (2, 0), (0, 0), False)


def test_a_worker_counts_each_run_and_the_rates_agree_with_the_events(stack: Stack) -> None:
    stack.start_worker(router, lease=1.5, max_attempts=1)
    bodies = [envelope("test.one", {"fails": number == 0}) for number in range(5)]
    for body in bodies:
        stack.deliver(body)
    for body in bodies:
        stack.ended(body)
    wait_for(lambda: counted(stack) == {"greet": (5, 5), "thank": (5, 5)})
    rates = stack.ask(lambda store: read_rates(store, spans=3))
    assert [sum(getattr(each, name) for each in rates) for name in ("accepted", "done", "dead")] == [5, 4, 1]
    told = json.loads(run_at(stack, "stats", "--json").stdout)
    assert len(told["rates"]) == 60
    assert told["handlers"]["greet"]["run"]["count"] == 5
    assert told["handlers"]["greet"]["pickup"]["p50_ms"] in BOUNDS
    shown = run_at(stack, "stats", "--hours", "24").stdout
    assert "accepted" in shown
    assert "greet" in shown


def test_rates_are_read_in_one_moment_without_a_look_at_events(stack: Stack) -> None:
    async def fill(store: Store) -> None:
        await store.redis.zadd(store.keys.events, {f"e{each}": each * 1000 for each in range(100)})

    stack.ask(fill)
    assert sum(each.accepted for each in stack.ask(lambda store: read_rates(store, spans=500))) == 0


def test_as_many_spans_are_read_as_are_asked_for(stack: Stack) -> None:
    starts = [each.start for each in stack.ask(lambda store: read_times(store, spans=3))]
    assert [later - earlier for earlier, later in itertools.pairwise(starts)] == [60_000, 60_000]
