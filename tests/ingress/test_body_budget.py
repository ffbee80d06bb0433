"""The room and the time of bodies that are being read: small ones always have some, and who idles on much gives way."""

import asyncio
from contextlib import AsyncExitStack, ExitStack, suppress

import pytest

from service.ingress import body_budget
from service.ingress.body_budget import FIRST_BYTES, BodyBudget, BodyReservation, NoRoom, TooSlow

pytestmark = pytest.mark.anyio


async def reading(stack: AsyncExitStack, budget: BodyBudget, size: int) -> BodyReservation:
    """A body of which so much has come, and of which more is awaited."""
    reservation = stack.enter_context(BodyReservation(budget))
    await stack.enter_async_context(reservation.reading())
    reservation.grow_to(size)
    reservation.expect_more()
    return reservation


async def stalled(budget: BodyBudget, size: int, grown: asyncio.Event) -> str:
    """How the reading of a body ends of which no more comes."""
    with BodyReservation(budget) as reservation:
        try:
            async with reservation.reading():
                reservation.grow_to(size)
                reservation.expect_more()
                grown.set()
                await asyncio.sleep(30)
        except NoRoom:
            return "gave way"
        except TooSlow:
            return "too slow"
    return "read"


async def test_what_is_held_is_bounded_and_given_back() -> None:
    budget = BodyBudget(reserve=100, beyond=0)
    with BodyReservation(budget) as one, BodyReservation(budget) as other:
        one.grow_to(60)
        with pytest.raises(NoRoom):
            other.grow_to(41)
        one.grow_to(100)
        assert budget.free == 0
    assert budget.free == 100


async def test_the_first_64_kib_do_not_come_from_the_room_of_large_bodies() -> None:
    budget = BodyBudget(reserve=3 * FIRST_BYTES, beyond=100)
    with ExitStack() as stack:
        large, other, small = (stack.enter_context(BodyReservation(budget)) for _ in range(3))
        large.grow_to(FIRST_BYTES + 100)
        with pytest.raises(NoRoom):
            other.grow_to(FIRST_BYTES + 1)
        small.grow_to(4096)


async def test_who_holds_much_and_sends_nothing_gives_way_to_a_small_body() -> None:
    budget, grown = BodyBudget(reserve=2 * FIRST_BYTES, beyond=0), asyncio.Event()
    stranger = asyncio.create_task(stalled(budget, FIRST_BYTES, grown))
    await grown.wait()
    async with AsyncExitStack() as stack:
        small = await reading(stack, budget, 2000)
        other = await reading(stack, budget, FIRST_BYTES - 1000)
        assert await stranger == "gave way"
        assert small.held[0] == 2000
        assert other.held[0] == FIRST_BYTES - 1000
    assert budget.free == 2 * FIRST_BYTES


async def test_who_would_hold_most_itself_gets_no_room() -> None:
    budget = BodyBudget(reserve=10_000, beyond=0)
    async with AsyncExitStack() as stack:
        small = await reading(stack, budget, 2000)
        large = await reading(stack, budget, 8000)
        with pytest.raises(NoRoom):
            large.grow_to(8001)
        assert small.held[0] == 2000


async def test_a_body_that_came_as_a_whole_gives_way_to_none() -> None:
    budget = BodyBudget(reserve=100, beyond=0)
    with BodyReservation(budget) as whole, BodyReservation(budget) as other:
        async with whole.reading():
            whole.grow_to(90)
        async with other.reading():
            with pytest.raises(NoRoom):
                other.grow_to(20)
        assert whole.held[0] == 90


def test_progress_of_long_ago_does_not_count() -> None:
    progress = body_budget._Progress(100.0)
    progress.note(100.1, 50_000)
    assert progress.lately(100.5) == 50_000
    assert progress.lately(103.0) == 0
    progress.note(103.0, 51_000)
    assert progress.lately(103.1) == 1000


@pytest.mark.parametrize(
    ("pause", "piece", "ends_within"),
    [(0.05, 1, 2.6), pytest.param(0.3, 400, 10.0, marks=pytest.mark.slow)],
    ids=["20 bytes/s", "1.3 kB/s"],
)
async def test_a_minimum_speed_holds_after_the_first_second(
    monkeypatch: pytest.MonkeyPatch, pause: float, piece: int, ends_within: float
) -> None:
    monkeypatch.setattr(body_budget, "READING_SECONDS", 4.0)
    loop = asyncio.get_running_loop()
    began, size = loop.time(), 0
    with BodyReservation(BodyBudget()) as reservation, suppress(TooSlow):
        async with reservation.reading():
            while True:
                await asyncio.sleep(pause)
                size += piece
                reservation.grow_to(size)
                reservation.expect_more()
    assert 1.9 < loop.time() - began < ends_within
    assert (loop.time() - began > 3.9) == (ends_within == 10.0)
