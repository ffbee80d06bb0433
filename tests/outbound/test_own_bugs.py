"""A bug of Ringback in the path of an effect: told as what it is, counted as an attempt, never taken for an outage."""

from typing import Any

import httpx
import pytest
from redis.exceptions import ResponseError
from structlog.testing import capture_logs

from service import Context, Event, Router
from service.outbound.gate import Gate
from service.outbound.run_ledger import RunLedger
from service.outbound.sender import Sender
from service.store.effects.blocks import open_blocks
from tests.stack import SMS_FROM, Stack
from tests.telnyx_events import envelope, fresh_number


def sending() -> Router:
    router = Router()

    @router.on("test.something")
    async def handler(event: Event, ctx: Context) -> None:
        if event.payload.get("reads"):
            await ctx.telnyx.messages.retrieve("a4d7a4e1-a4b7-4f1c-b4f7-a4d7a4e1a4b7")
        await ctx.telnyx.messages.send(to=event.payload["to"], from_=SMS_FROM, text="Hello")

    return router


def failing(error: Exception) -> Any:
    async def fail(*_: Any, **__: Any) -> Any:
        raise error

    return fail


@pytest.mark.parametrize("error", [TypeError("text of +13125550101"), ResponseError("user_script:7: junk")])
@pytest.mark.parametrize(
    ("owner", "name", "reads"),
    [
        (RunLedger, "entry_of", 0),
        (RunLedger, "begin", 0),
        (RunLedger, "end", 0),
        (Gate, "acquire", 0),
        (Gate, "acquire", 1),
        (Gate, "report", 0),
        (Gate, "report", 1),
        (Sender, "_record_opt_out", 0),
        (Sender, "read", 0),
    ],
)
def test_a_bug_in_the_path_of_a_call_is_an_error_with_its_place_and_an_attempt(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, reads: int, error: Exception
) -> None:
    monkeypatch.setattr(owner, name, failing(error))
    event = envelope("test.something", {"to": fresh_number(), "reads": reads})
    with capture_logs() as logs:
        stack.start_worker(sending(), max_attempts=1)
        stack.deliver(event)
        handler = stack.ended(event).handlers["handler"]
    assert (handler.state, handler.attempts, handler.reason) == ("dead", 1, type(error).__name__)
    [told] = [each for each in logs if each["event"] == "a call to Telnyx met a bug of Ringback"]
    assert told["log_level"] == "error"
    assert ".py:" in told["error"]
    assert "+13125550101" not in f"{told} {handler}"
    assert stack.ask(open_blocks) == []


def test_a_failure_that_the_sdk_takes_for_an_outage_is_an_attempt_too(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(httpx.AsyncClient, "send", failing(TypeError("a bug")))
    event = envelope("test.something", {"to": fresh_number()})
    stack.start_worker(sending(), max_attempts=1)
    stack.deliver(event)
    handler = stack.ended(event).handlers["handler"]
    assert (handler.state, handler.attempts, handler.reason) == ("dead", 1, "TypeError")


def test_a_bug_around_a_handlers_run_is_an_error_with_its_place_and_an_attempt(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.worker.open_processor.run_handler", failing(KeyError("a bug")))
    event = envelope("test.something", {"to": fresh_number()})
    with capture_logs() as logs:
        stack.start_worker(sending(), max_attempts=1)
        stack.deliver(event)
        handler = stack.ended(event).handlers["handler"]
    assert (handler.state, handler.attempts) == ("dead", 1)
    [told] = [each for each in logs if each["event"] == "a handler's run met a bug of Ringback"]
    assert ".py:" in told["error"]
