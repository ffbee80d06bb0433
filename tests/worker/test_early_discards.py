"""`unless`: a handler that an event does not concern is done without a run."""

from collections import Counter

import pytest

from service import Context, Event, Router
from service.settings import Settings
from tests.stack import Stack
from tests.telnyx_events import envelope
from tests.waiting import wait_for


def router_with(unless: object, runs: Counter[str]) -> Router:
    router = Router()

    @router.on("test.something", unless=unless)  # type: ignore[arg-type]
    async def picky(event: Event, ctx: Context) -> None:
        runs["picky"] += 1

    @router.on("test.something")
    async def other(event: Event, ctx: Context) -> None:
        runs["other"] += 1

    return router


def dull(event: Event, settings: Settings) -> str | None:
    return "dull" if event.payload.get("dull") and settings.namespace else None


@pytest.mark.parametrize(("payload", "reason"), [({"dull": True}, "dull"), ({}, None)])
def test_a_reason_ends_a_handler_without_a_run_and_the_others_run(
    stack: Stack, payload: dict[str, bool], reason: str | None
) -> None:
    runs: Counter[str] = Counter()
    stack.start_worker(router_with(dull, runs))
    stack.deliver(event := envelope("test.something", payload))
    record = stack.ended(event)
    assert record.state == "done"
    assert (record.handlers["picky"].reason, record.handlers["picky"].runs[0].outcome) == (reason, "done")
    assert runs == {"other": 1} if reason else {"picky": 1, "other": 1}


def test_an_event_that_concerns_nobody_is_done(stack: Stack) -> None:
    router = Router()

    @router.on("test.something", unless=dull)
    async def picky(event: Event, ctx: Context) -> None:
        raise AssertionError

    stack.start_worker(router)
    stack.deliver(event := envelope("test.something", {"dull": True}))
    record = stack.ended(event)
    assert (record.state, record.handlers["picky"].reason) == ("done", "dull")


def test_where_the_question_fails_the_handler_runs(stack: Stack) -> None:
    runs: Counter[str] = Counter()

    def broken(event: Event, settings: Settings) -> str | None:
        raise KeyError("a bug")

    stack.start_worker(router_with(broken, runs))
    stack.deliver(event := envelope("test.something", {}))
    assert stack.ended(event).state == "done"
    assert runs == {"picky": 1, "other": 1}


def test_a_paused_handler_is_parked_whatever_the_event_says(stack: Stack) -> None:
    runs: Counter[str] = Counter()
    stack.host.portal.call(stack.redis.sadd, stack.keys.paused, "picky")
    stack.deliver(event := envelope("test.something", {"dull": True}))
    stack.start_worker(router_with(dull, runs))
    wait_for(lambda: runs["other"])
    record = stack.when(event, lambda record: record.handlers["picky"].state != "pending")
    assert record.handlers["picky"].reason == "paused"
