"""The breaker: an outage, or a refusal of the account, parks what it concerns; one probe goes through; all resumes."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import pytest

from service.outbound import gate
from service.outbound.api_call import Call
from service.outbound.errors import Refusal, TelnyxResponse
from service.outbound.gate import Gate
from service.store.effects.blocks import open_blocks, probe
from service.store.effects.rate_limits import BlockSignal
from service.store.store import Store
from tests.pending import pending
from tests.stack import Stack

T = TypeVar("T")

GOOD = TelnyxResponse(200)
FAILED = TelnyxResponse(500)
WRONG_KEY = TelnyxResponse(401, {}, b'{"errors":[{"code":"10009","title":"Authentication failed"}]}')
NOT_PERMITTED = TelnyxResponse(403, {}, b'{"errors":[{"code":"10010"}]}')
PROFILE_DISABLED = TelnyxResponse(403, {}, b'{"errors":[{"code":"40312"}]}')
SPENT = TelnyxResponse(403, {}, b'{"errors":[{"code":"40333"}]}')
BAD_NUMBER = TelnyxResponse(400, {}, b'{"errors":[{"code":"40310"}]}')
TOO_MANY = TelnyxResponse(429, {"retry-after": "1"}, b'{"errors":[{"code":"10011"}]}')
READ = Call("GET", "/messages/1")


ONE, OTHER = "83d2343b-553f-4c5f-b8c8-fd27004f94bf", "740572b6-099c-44a1-89b9-6c92163bc68d"


def send(profile: str | None = ONE, *, sender: str | None = None, path: str = "/messages") -> Call:
    product: Any = "rcs" if path == "/messages/rcs" else "sms"
    return Call("POST", path, product=product, messaging_profile_id=profile, sender=sender)


class Way:
    """A gate, with what people were told."""

    def __init__(self, stack: Stack, store: Store) -> None:
        self.store, self.told = store, list[BlockSignal]()
        self.gate = Gate(store, stack.settings, notify=self.tell)

    async def tell(self, notice: BlockSignal) -> None:
        self.told.append(notice)

    async def admit(self, call: Call, event_id: str = "asking") -> Refusal | None:
        answer = await self.gate.acquire(call, event_id=event_id, returning=False)
        return answer if isinstance(answer, Refusal) else None

    async def goes(self, call: Call, event_id: str = "asking") -> bool:
        return await self.admit(call, event_id) is None

    async def heard(self, answer: TelnyxResponse | None, *event_ids: str, call: Call | None = None) -> Refusal | None:
        refusal = None
        for event_id in event_ids or ("asking",):
            refusal = await self.gate.report(call or send(), answer, event_id=event_id)
        return refusal

    async def open(self) -> list[str]:
        return [block.name for block in await open_blocks(self.store)]

    async def pass_time(self, name: str) -> None:
        """Let the time of the next probe come."""
        await pending(self.store.redis.hset(f"{self.store.keys.namespace}:block:{name}", "probe_at", "0"))

    async def until_probe(self, name: str) -> float:
        """Seconds until the next probe."""
        seconds, micros = await self.store.redis.time()
        at = await pending(self.store.redis.hget(f"{self.store.keys.namespace}:block:{name}", "probe_at"))
        return float(int(at or 0) / 1000 - seconds - micros / 1e6)


def on(stack: Stack, work: Callable[[Way], Awaitable[T]]) -> T:
    return stack.ask(lambda store: work(Way(stack, store)))


FIVE = ("a", "b", "c", "d", "e")


def test_failures_of_five_distinct_events_are_an_outage(stack: Stack) -> None:
    async def work(way: Way) -> None:
        assert await way.heard(FAILED, *FIVE[:4]) is None
        assert await way.goes(send())
        assert await way.heard(None, FIVE[4]) is None
        refusal = await way.admit(send())
        assert refusal is not None
        assert (refusal.kind, refusal.reason, refusal.block) == ("held", "telnyx_outage", "outage")
        assert not await way.goes(READ)
        assert way.told == [], "it passes by itself"

    on(stack, work)


@pytest.mark.parametrize(
    "heard",
    [
        [(FAILED, "a")] * 20,
        [(FAILED, "a"), (FAILED, "b"), (FAILED, "c"), (FAILED, "d"), (GOOD, "x"), (FAILED, "e")],
        [(FAILED, "a"), (FAILED, "b"), (FAILED, "c"), (FAILED, "d"), (BAD_NUMBER, "x"), (FAILED, "e")],
        [(TOO_MANY, each) for each in "abcdefghij"],
    ],
    ids=["one event", "a success in between", "a refusal in between", "rate limits"],
)
def test_what_is_no_outage(stack: Stack, heard: list[tuple[TelnyxResponse, str]]) -> None:
    async def work(way: Way) -> None:
        for answer, event_id in heard:
            await way.heard(answer, event_id)
        assert await way.open() == []

    on(stack, work)


def test_failures_longer_ago_than_ten_seconds_do_not_count(stack: Stack) -> None:
    async def work(way: Way) -> None:
        await way.heard(FAILED, *FIVE[:4])
        failures = f"{way.store.keys.namespace}:failures"
        for each in FIVE[:4]:
            await way.store.redis.zincrby(failures, -10_001, each)
        await way.heard(FAILED, FIVE[4])
        assert await way.open() == []

    on(stack, work)


def test_one_call_goes_through_per_probe_time_and_later_ones_are_further_apart(stack: Stack) -> None:
    async def work(way: Way) -> None:
        await way.heard(FAILED, *FIVE)
        assert 0.5 < await way.until_probe("outage") <= 1
        pauses = []
        for _ in range(5):
            await way.pass_time("outage")
            asking = {f"e{number}": way.goes(send(), f"e{number}") for number in range(30)}
            went = [name for name, goes in zip(asking, await asyncio.gather(*asking.values()), strict=True) if goes]
            assert len(went) == 1
            await way.heard(FAILED, *{*FIVE, "e0", "e29"} - set(went))
            assert not await way.goes(send()), "only the probe's own answer counts"
            await way.heard(None, *went)
            pauses.append(round(await way.until_probe("outage")))
        assert pauses == [2, 4, 8, 10, 10]

    on(stack, work)


def test_a_probe_that_is_not_heard_of_again_is_thought_lost_after_half_a_minute(stack: Stack) -> None:
    async def work(way: Way) -> None:
        await way.heard(FAILED, *FIVE)
        await way.pass_time("outage")
        assert await way.goes(send())
        assert 25 < await way.until_probe("outage") <= 30.1
        assert not await way.goes(send())

    on(stack, work)


@pytest.mark.parametrize("answer", [GOOD, BAD_NUMBER, TOO_MANY], ids=["success", "refusal", "rate limit"])
def test_any_answer_of_a_working_telnyx_ends_an_outage(stack: Stack, answer: TelnyxResponse) -> None:
    async def work(way: Way) -> None:
        await way.heard(FAILED, *FIVE)
        await way.heard(answer, "f", call=READ)
        assert await way.open() == []
        assert await way.goes(send())

    on(stack, work)


def test_a_wrong_key_concerns_every_call_and_is_told_once(stack: Stack) -> None:
    async def work(way: Way) -> None:
        refusals = [await way.heard(WRONG_KEY, each) for each in FIVE]
        assert {(each.kind, each.reason, each.block) for each in refusals if each} == {
            ("account", "credentials", "credentials")
        }
        for call in (send(), send(OTHER), READ, Call("PATCH", "/messaging_profiles/1")):
            refusal = await way.admit(call)
            assert refusal is not None
            assert (refusal.kind, refusal.block) == ("held", "credentials")
        assert [notice.name for notice in way.told] == ["credentials"]
        assert "set TELNYX_API_KEY to a valid key and restart the worker" in way.told[0].advice
        assert 55 < await way.until_probe("credentials") <= 60

    on(stack, work)


@pytest.mark.parametrize(
    ("answer", "cause", "held", "free"),
    [
        (PROFILE_DISABLED, f"profile_disabled:{ONE}", send(ONE), send(OTHER)),
        (SPENT, f"spending_limit:{ONE}", send(ONE), send(OTHER)),
        (NOT_PERMITTED, "permission:/messages", send(OTHER), send(ONE, path="/messages/rcs")),
    ],
)
def test_a_cause_concerns_no_more_than_its_scope(
    stack: Stack, answer: TelnyxResponse, cause: str, held: Call, free: Call
) -> None:
    async def work(way: Way) -> None:
        refusal = await way.heard(answer, call=send(ONE))
        assert refusal is not None
        assert refusal.block == cause
        assert not await way.goes(held)
        assert await way.goes(free)
        assert await way.goes(READ)
        await way.heard(GOOD, call=free)
        await way.heard(GOOD, call=READ)
        assert await way.open() == [cause]
        await way.heard(GOOD, call=held)
        assert await way.open() == []

    on(stack, work)


@pytest.mark.parametrize("profile", [None, "+13125550003", "a\nb"])
def test_what_is_no_profile_is_a_scope_of_its_own_and_not_named(stack: Stack, profile: str | None) -> None:
    async def work(way: Way) -> None:
        number = "+13125550001"
        refusal = await way.heard(PROFILE_DISABLED, call=send(profile, sender=number))
        assert refusal is not None
        assert re.fullmatch(r"profile_disabled:[0-9a-f]{16}", str(refusal.block))
        assert not await way.goes(send(profile, sender=number))
        assert await way.goes(send(profile, sender="+13125550002"))

    on(stack, work)


def test_a_probe_that_proves_nothing_is_followed_by_another_soon(stack: Stack) -> None:
    async def work(way: Way) -> None:
        await way.heard(PROFILE_DISABLED)
        await way.pass_time(f"profile_disabled:{ONE}")
        assert await way.goes(send(), "probe")
        await way.heard(BAD_NUMBER, "probe")
        assert 4 < await way.until_probe(f"profile_disabled:{ONE}") <= 5

    on(stack, work)


def test_whoever_is_told_that_a_request_is_wrong_has_a_valid_key(stack: Stack) -> None:
    async def work(way: Way) -> None:
        await way.heard(WRONG_KEY)
        await way.heard(BAD_NUMBER)
        assert await way.open() == []

    on(stack, work)


def test_a_cause_that_comes_and_goes_is_not_told_again_and_again(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    async def work(way: Way) -> list[str]:
        for _ in range(5):
            await way.heard(WRONG_KEY)
            await way.heard(GOOD)
        return [notice.name for notice in way.told]

    assert on(stack, work) == ["credentials"]
    monkeypatch.setattr(gate, "QUIET", 0.001)
    assert on(stack, lambda way: way.store.redis.delete(f"{way.store.keys.namespace}:notified:credentials")) == 1
    assert len(on(stack, work)) > 1


def test_a_start_lets_a_probe_through_at_once(stack: Stack) -> None:
    async def work(way: Way) -> None:
        await way.heard(WRONG_KEY)
        assert not await way.goes(send())
        assert await probe(way.store, at_once=True) == 0
        assert await way.goes(send())
        assert not await way.goes(send())

    on(stack, work)


def test_a_probe_needs_a_slot_like_every_send(stack: Stack) -> None:
    async def work(way: Way) -> None:
        await way.heard(TelnyxResponse(429, {"retry-after": "60"}, b""))
        await way.heard(PROFILE_DISABLED)
        await way.pass_time(f"profile_disabled:{ONE}")
        refusal = await way.admit(send())
        assert refusal is not None
        assert refusal.reason == "rate_limit"
        assert await way.until_probe(f"profile_disabled:{ONE}") < 0, "it was not the probe"

    on(stack, work)
