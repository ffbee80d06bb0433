"""The governor: sends of all workers together keep to the account's limits, and nobody waits in vain."""

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import pytest

from service.outbound.api_call import Call, Product
from service.outbound.errors import TelnyxResponse
from service.outbound.gate import Gate
from service.settings.send_limits import SendLimits
from service.store.effects import rate_limits
from service.store.effects.rate_limits import AdmissionRequest, Deferred, Granted
from service.store.store import Store
from tests.pending import pending
from tests.stack import Stack

T = TypeVar("T")

TOO_MANY = b'{"errors":[{"code":"10011","title":"Too many requests"}]}'
QUEUE_FULL = b'{"errors":[{"code":"40318","title":"Message queue full"}]}'


def sms(to: str = "+13125550001", *, profile: str = "profile-1") -> Call:
    return Call("POST", "/messages", product="sms", recipient=to, messaging_profile_id=profile)


def asked(limit: float, *, product: Product = "sms", back: bool = False, max_wait: float = 2.0) -> AdmissionRequest:
    return AdmissionRequest("ticket", "event", (), product, limit, back, max_wait, probe_timeout=30.0)


def at_gate(stack: Stack, work: Callable[[Gate], Awaitable[T]], **limits: float) -> T:
    """Do some work with a gate of this stack."""
    settings = stack.settings.model_copy(update={"limits": SendLimits(**limits)})
    return stack.ask(lambda store: work(Gate(store, settings)))


async def answers(store: Store, wanted: AdmissionRequest, number: int) -> list[tuple[float, Any]]:
    """What this many calls are told, with the server's time (seconds) at which each was."""
    told = []
    for _ in range(number):
        seconds, micros = await store.redis.time()
        told.append((seconds + micros / 1e6, await rate_limits.acquire(store, wanted)))
    return told


def most_within(moments: Sequence[float], seconds: float) -> int:
    """The largest number of moments in any window of this length."""
    ordered = sorted(moments)
    return max(sum(first <= each < first + seconds for each in ordered) for first in ordered)


@pytest.mark.parametrize("limit", [50.0, 10.0, 3.0, 1.0])
def test_no_window_of_a_second_holds_more_slots_than_the_limit(stack: Stack, limit: float) -> None:
    wanted = asked(limit, max_wait=5.0)
    told = stack.ask(lambda store: answers(store, wanted, int(6 * limit)))
    # The slots' own names are the server's times: no jitter of this machine's is in them.
    slots = [float(each.slot) / 1000 for _, each in told if isinstance(each, Granted)]
    assert len(slots) >= 4 * limit
    assert most_within(slots, 1.0) <= limit


def test_a_burst_of_one_second_goes_at_once(stack: Stack) -> None:
    told = stack.ask(lambda store: answers(store, asked(20), 20))
    assert [each for _, each in told] == [Granted(0)] * 20


def test_below_one_a_second_sends_are_as_far_apart_as_the_limit_says(stack: Stack) -> None:
    told = stack.ask(lambda store: answers(store, asked(0.5, max_wait=10), 5))
    slots = [at + each.wait for at, each in told]
    assert min(later - earlier for earlier, later in itertools.pairwise(slots)) >= 2.0


def test_what_would_wait_longer_than_two_seconds_is_put_off_to_a_place_of_its_own(stack: Stack) -> None:
    told = stack.ask(lambda store: answers(store, asked(10), 200))
    places = [at + each.wait for at, each in told if isinstance(each, Deferred)]
    assert len(places) >= 140
    assert most_within(places, 1.0) <= 10
    assert places[-1] - places[0] > 13


def test_a_line_is_no_longer_than_a_quarter_of_an_hour(stack: Stack) -> None:
    told = stack.ask(lambda store: answers(store, asked(0.1), 200))
    assert max(each.wait for _, each in told) == 900


def test_who_comes_back_goes_before_who_is_new(stack: Stack) -> None:
    async def line_up(store: Store) -> tuple[Any, Any]:
        await answers(store, asked(20), 400)
        # Time passes: all slots that were given away are used, and the first in line come back.
        slots, (seconds, _) = f"{store.namespace}:slots:sms", await store.redis.time()
        await store.redis.delete(slots)
        await pending(store.redis.rpush(slots, *(seconds * 1000 - 55 * ago for ago in range(20, 0, -1))))
        new = await rate_limits.acquire(store, asked(20))
        return new, await rate_limits.acquire(store, asked(20, back=True))

    new, back = stack.ask(line_up)
    assert isinstance(new, Deferred)
    assert isinstance(back, Granted)
    assert back.wait < 0.2


def test_a_line_of_which_nobody_comes_back_holds_up_nobody(stack: Stack) -> None:
    async def abandon(store: Store) -> Any:
        await answers(store, asked(20), 300)
        await store.redis.delete(f"{store.namespace}:slots:sms")
        return await rate_limits.acquire(store, asked(20))

    assert stack.ask(abandon) == Granted(0)


def test_products_have_limits_of_their_own(stack: Stack) -> None:
    async def work(store: Store) -> list[Any]:
        await answers(store, asked(1), 10)
        return [await rate_limits.acquire(store, asked(1, product=each)) for each in ("mms", "rcs", "sms")]

    mms, rcs, more_sms = stack.ask(work)
    assert (mms, rcs) == (Granted(0), Granted(0))
    assert isinstance(more_sms, Deferred)


def test_a_clock_that_is_put_back_stops_nothing(stack: Stack) -> None:
    async def put_back(store: Store) -> Any:
        seconds, _ = await store.redis.time()
        await pending(store.redis.rpush(f"{store.namespace}:slots:sms", (seconds + 3600) * 1000))
        bucket = f"{store.namespace}:bucket:sms"
        for name in ("new", "blocked_until"):
            await pending(store.redis.hset(bucket, name, str((seconds + 7200) * 1000)))
        return await rate_limits.acquire(store, asked(20))

    assert stack.ask(put_back) == Granted(0)


def test_a_reset_that_is_a_time_of_day_blocks_nobody(stack: Stack) -> None:
    async def work(gate: Gate) -> Any:
        headers = {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1900000000"}
        await gate.report(sms(), TelnyxResponse(200, headers), event_id="e")
        return await gate.acquire(sms(), event_id="e", returning=False)

    assert isinstance(at_gate(stack, work), Granted)


def test_a_call_waits_for_its_slot_and_one_without_a_product_for_none(stack: Stack) -> None:
    async def work(gate: Gate) -> tuple[list[float], Any]:
        loop = asyncio.get_running_loop()

        async def wait() -> float:
            assert isinstance(await gate.acquire(sms(), event_id="e", returning=False), Granted)
            return loop.time()

        began = loop.time()
        waited = [each - began for each in await asyncio.gather(wait(), wait(), wait())]
        read = Call("GET", "/messages/1")
        for _ in range(20):
            assert isinstance(await gate.acquire(read, event_id="e", returning=False), Granted)
        return sorted(waited), await gate.acquire(sms(), event_id="e", returning=False)

    waited, last = at_gate(stack, work, sms=2)
    assert waited[1] < 0.5
    assert 1.0 <= waited[2] < 1.5
    assert isinstance(last, Granted)


def test_a_call_that_would_wait_too_long_is_later_with_the_seconds_until_its_turn(stack: Stack) -> None:
    async def work(gate: Gate) -> Any:
        assert isinstance(await gate.acquire(sms(), event_id="e", returning=False), Granted)
        return await gate.acquire(sms(), event_id="e", returning=False)

    refusal = at_gate(stack, work, sms=0.1)
    assert (refusal.kind, refusal.reason) == ("later", "rate_limit")
    assert 10 <= refusal.after <= 21


def test_what_follows_a_call_that_was_late_keeps_its_distance(stack: Stack) -> None:
    async def work(gate: Gate) -> list[float]:
        loop, went = asyncio.get_running_loop(), []
        loop.call_later(1.1, time.sleep, 0.4)
        for _ in range(3):
            assert isinstance(await gate.acquire(sms(), event_id="e", returning=False), Granted)
            went.append(loop.time())
        return went

    first, late, third = at_gate(stack, work, sms=1)
    assert late - first >= 1.4
    assert third - late >= 1.0


def heard_then_asked(stack: Stack, *heard: TelnyxResponse, **limits: float) -> list[Any]:
    """What a send is told after each of these answers to sends."""

    async def work(store: Store) -> list[Any]:
        settings = stack.settings.model_copy(update={"limits": SendLimits(**limits)})
        gate, told = Gate(store, settings), []
        for number, answer in enumerate(heard):
            assert await gate.report(sms(), answer, event_id=f"e{number}") is None
            told.append(await rate_limits.acquire(store, asked(gate.settings.limits.sms)))
        return told

    return stack.ask(work)


@pytest.mark.parametrize(
    ("answer", "low", "high"),
    [
        (TelnyxResponse(429, {"retry-after": "7"}, TOO_MANY), 6, 8),
        (TelnyxResponse(429, {"x-ratelimit-reset": "9", "x-ratelimit-remaining": "0"}, TOO_MANY), 8, 10),
        (TelnyxResponse(400, {"retry-after": "5"}, QUEUE_FULL), 4, 6),
        (TelnyxResponse(200, {"x-ratelimit-reset": "8", "x-ratelimit-remaining": "0"}), 7, 9),
    ],
)
def test_telnyx_says_when_the_next_may_go(stack: Stack, answer: TelnyxResponse, low: float, high: float) -> None:
    [told] = heard_then_asked(stack, answer)
    assert isinstance(told, Deferred)
    assert low <= told.wait <= high


@pytest.mark.parametrize(
    "answer",
    [
        TelnyxResponse(200, {"x-ratelimit-remaining": "3", "x-ratelimit-reset": "8"}),
        TelnyxResponse(200, {"x-ratelimit-remaining": "0"}),
        TelnyxResponse(200, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "soon", "x-ratelimit-limit": "-1"}),
        TelnyxResponse(400, {"x-ratelimit-limit": "0"}, b"not JSON"),
    ],
)
def test_what_says_nothing_of_a_wait_makes_nobody_wait(stack: Stack, answer: TelnyxResponse) -> None:
    assert heard_then_asked(stack, answer) == [Granted(0)]


def test_without_a_word_of_how_long_pauses_double_with_each_refusal_after_a_pause(stack: Stack) -> None:
    async def work(store: Store) -> list[float]:
        gate, pauses = Gate(store, stack.settings), []
        bucket = f"{store.namespace}:bucket:sms"
        for number in range(8):
            for in_flight in range(3):
                await gate.report(sms(), TelnyxResponse(429, {}, TOO_MANY), event_id=f"e{number}.{in_flight}")
            seconds, micros = await store.redis.time()
            until = await pending(store.redis.hget(bucket, "blocked_until"))
            pauses.append(float(until or 0) / 1000 - seconds - micros / 1e6)
            await pending(store.redis.hset(bucket, "blocked_until", "0"))
        await gate.report(sms(), TelnyxResponse(200), event_id="good")
        await gate.report(sms(), TelnyxResponse(429, {}, TOO_MANY), event_id="bad")
        refusals = await pending(store.redis.hget(bucket, "refusals"))
        return [*pauses, float(refusals or 0)]

    *pauses, refusals = stack.ask(work)
    assert [round(each) for each in pauses] == [1, 2, 4, 8, 16, 32, 60, 60]
    assert refusals == 1


def test_a_limit_of_telnyx_below_ours_lowers_ours_while_it_lasts(stack: Stack) -> None:
    async def work(store: Store) -> tuple[int, int]:
        gate = Gate(store, stack.settings)
        await gate.report(
            sms(), TelnyxResponse(200, {"x-ratelimit-limit": "5", "x-ratelimit-remaining": "4"}), event_id="e"
        )
        lowered = await answers(store, asked(50), 20)
        await pending(store.redis.hset(f"{store.namespace}:bucket:sms", "reported_until", "1"))
        await store.redis.delete(f"{store.namespace}:slots:sms")
        ours = await answers(store, asked(50), 20)
        return sum(told == Granted(0) for _, told in lowered), sum(told == Granted(0) for _, told in ours)

    assert stack.ask(work) == (5, 20)


def test_a_limit_of_telnyx_above_ours_changes_nothing(stack: Stack) -> None:
    async def work(store: Store) -> int:
        gate = Gate(store, stack.settings)
        await gate.report(
            sms(), TelnyxResponse(200, {"x-ratelimit-limit": "500", "x-ratelimit-remaining": "4"}), event_id="e"
        )
        return sum(told == Granted(0) for _, told in await answers(store, asked(3), 20))

    assert stack.ask(work) == 3


def test_redis_unavailable_is_later_at_no_cost(own_stack: Stack) -> None:
    async def work(gate: Gate) -> Any:
        refusal = await gate.acquire(sms(), event_id="e", returning=False)
        assert await gate.report(sms(), TelnyxResponse(200), event_id="e") is None
        return refusal

    own_stack.ask(lambda store: store.redis.config_set("requirepass", "secret"))
    own_stack.ask(lambda store: store.redis.connection_pool.disconnect())
    refusal = at_gate(own_stack, work)
    assert (refusal.kind, refusal.reason, refusal.after) == ("later", "redis_unavailable", 1.0)


def test_a_slot_that_is_given_back_is_another_s(stack: Stack) -> None:
    async def give_back(store: Store) -> tuple[Any, Any]:
        first = await rate_limits.acquire(store, asked(0.1, max_wait=30))
        assert isinstance(first, rate_limits.Granted)
        again = await rate_limits.acquire(store, replace(asked(0.1, max_wait=30), unused=first.slot))
        return again, await rate_limits.acquire(store, asked(0.1, max_wait=30))

    again, another = stack.ask(give_back)
    assert again == Granted(0)
    assert another.wait > 9
