"""One fallback, counted: what it asks Redis, by the server's own account, and what it reads at Telnyx."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from handlers import router as built_in
from service.store.connection import connect
from service.store.scripts import script
from tests.stack import Stack
from tests.telnyx_events import envelope, finalized_rcs, fresh_number
from tests.waiting import wait_for

SCRIPTS = {
    script("accept").digest: "accept",
    script("claim").digest: "claim",
    script("finish").digest: "finish",
    script("message").digest: "message",
    script("record_consent").digest: "record_consent",
    script("sms_budget").digest: "sms_budget",
    script("acquire").digest: "acquire",
    script("report").digest: "report",
    script("effects").digest: "effects",
    script("effect_begin").digest: "effect_begin",
    script("effect_end").digest: "effect_end",
}
WALK = [
    "accept",  # the ingress, in one batch with what arrives beside it
    "claim",
    "message",  # the preflight: state, consent, budget, blocks, free slot
    # In one round trip, by rcs_capabilities, which runs beside it: the agent's registration, the phone's capability.
    "HGET",
    "HMGET",
    "acquire",  # the rate token
    "effect_begin",  # right, budget, consent, state and intent
    "effect_end",
    "message",  # it was sent
    "finish",
]
"""The round trips of a fallback. The POST leaves after `effect_begin`."""
QUESTIONS = frozenset({"HGET", "HMGET", "HGETALL", "HKEYS", "HSET", "HDEL", "ZADD", "ZSCORE", "ZRANGE", "SADD", "SREM"})
"""Commands that handlers ask by themselves; the worker's clock, wake-ups and connections ask none of them."""


@dataclass
class Monitor:
    """What a server was asked for one event, command after command; those within scripts are left out."""

    event: Any
    commands: list[str] = field(default_factory=list)

    def named(self) -> list[str]:
        """The commands by name; of the worker's claims, one at each wake-up, the first after the event came."""
        names = [name for each in self.commands if (name := self._name(each)) is not None]
        names = names[names.index("accept") :] if "accept" in names else []
        first = names.index("claim") if "claim" in names else 0
        return [name for at, name in enumerate(names) if name != "claim" or at == first]

    def _name(self, command: str) -> str | None:
        verb, digest, *_ = [*command.split(" "), ""]
        if verb.upper() == "EVALSHA" and digest in SCRIPTS:
            return SCRIPTS[digest]
        ids = (self.event["data"]["id"], self.event["data"]["payload"]["id"])
        concerns = any(each in command for each in ids) and digest != script("renew").digest
        return verb.upper() if concerns or verb.upper() in QUESTIONS else None


@contextmanager
def monitored(stack: Stack, event: Any) -> Iterator[Monitor]:
    """Note what the server is asked until the block ends."""
    monitor, redis = Monitor(event), connect(stack.redis_url, timeout=60, connections=4)
    ready: list[bool] = []

    async def listen() -> None:
        async with redis.monitor() as monitoring:
            ready.append(True)
            with suppress(asyncio.CancelledError):
                async for each in monitoring.listen():
                    if each["client_type"] != "lua":
                        monitor.commands.append(each["command"])

    listening = stack.host.portal.start_task_soon(listen)
    wait_for(lambda: ready)
    try:
        yield monitor
    finally:
        listening.cancel()
        stack.host.portal.call(redis.aclose)


def failure(**changes: Any) -> dict[str, Any]:
    return envelope("message.finalized", finalized_rcs("delivery_failed", fresh_number(), **changes))


def reads(stack: Stack, path: str = "/messages/") -> list[str]:
    return [each.path for each in stack.simulator.requests if each.method == "GET" and each.path.startswith(path)]


@pytest.mark.slow
def test_a_fallback_asks_redis_five_times_before_its_post_and_nine_times_in_all(own_stack: Stack) -> None:
    own_stack.start_worker(built_in)
    own_stack.deliver(first := failure())
    own_stack.ended(first)
    event = failure()
    with monitored(own_stack, event) as monitor:
        own_stack.deliver(event)
        wait_for(lambda: len(asked := monitor.named()) >= len(WALK) and asked[-1] == "finish")
        asked = monitor.named()

    assert sorted(asked) == sorted(WALK)
    trips = [each for each in asked if each != "HMGET"]
    assert len(trips) <= 9
    assert len(trips[trips.index("claim") : trips.index("effect_begin") + 1]) <= 5
    assert len(reads(own_stack, f"/messages/{event['data']['payload']['id']}")) == 1


def test_a_worker_that_was_given_all_that_is_due_asks_for_no_more(own_stack: Stack) -> None:
    own_stack.start_worker(built_in)
    own_stack.deliver(first := failure())
    own_stack.ended(first)
    with monitored(own_stack, event := failure()) as monitor:
        own_stack.deliver(event)
        own_stack.ended(event)
        wait_for(lambda: len(asked := claims_and_waits(monitor)) >= 2 and asked[-1] == "BLPOP")
        asked = claims_and_waits(monitor)

    assert asked[:2] == ["claim", "BLPOP"]


def claims_and_waits(monitor: Monitor) -> list[str]:
    """Return the worker's claims and waits for a wake-up since the event was accepted."""
    words = [each.split(" ") for each in monitor.commands]
    names = ["BLPOP" if each[0] == "BLPOP" else SCRIPTS.get(each[1], "") for each in words if len(each) > 1]
    since = names.index("accept") if "accept" in names else len(names)
    return [each for each in names[since:] if each in ("claim", "BLPOP")]


@pytest.mark.slow
def test_fallbacks_that_wait_for_their_turn_hardly_read_telnyx_twice(stack: Stack) -> None:
    events = [failure() for _ in range(24)]
    for event in events:
        stack.deliver(event)
    stack.start_worker(built_in, limits=replace(stack.settings.limits, sms=4))
    for event in events:
        assert stack.ended(event).handlers["sms_fallback"].reason is None
    # A slow event loop misses a slot that was granted: such a fallback waits after its read.
    assert len(reads(stack)) <= len(events) + 8


@pytest.mark.parametrize("code", ["40333", "40312"])
def test_what_is_parked_for_the_account_reads_nothing_at_telnyx(stack: Stack, code: str) -> None:
    stack.simulator.add_fault(method="POST", path="/messages", status=403, code=code, times=None)
    stack.start_worker(built_in)
    stack.deliver(first := failure())
    parked(stack, first)
    before = len(reads(stack))
    stack.deliver(second := failure())
    parked(stack, second)
    assert len(reads(stack)) == before == 1


def parked(stack: Stack, event: dict[str, Any]) -> None:
    stack.when(event, lambda record: bool(record.handlers) and record.handlers["sms_fallback"].state == "parked")
