"""`RINGBACK_DRY_RUN`: nothing that changes something reaches Telnyx, and the story tells what would have."""

from typing import Any

import orjson
import pytest
import structlog

import handlers
from service import Context, Event, Retry, Router
from service.monitoring import logs
from service.monitoring.logs import announce_dry_run, configure_logs
from tests.stack import SMS_FROM, Stack, make_settings
from tests.telnyx_events import envelope, finalized_rcs, fresh_number


def test_the_fallback_is_written_down_and_not_sent(stack: Stack) -> None:
    number = fresh_number()
    stack.start_worker(handlers.router, dry_run=True)
    event = envelope("message.finalized", finalized_rcs("delivery_failed", number))
    stack.deliver(event)

    assert stack.ended(event).handlers["sms_fallback"].reason is None
    assert {each.method for each in stack.simulator.requests} == {"GET"}, "reads go through"
    [effect] = stack.effects(event)
    assert (effect.state, effect.sends, effect.method, effect.path) == ("would", 0, "POST", "/messages")
    body = orjson.loads(effect.body or b"")
    assert (body["to"], body["from"], body["text"]) == (number, SMS_FROM, "Your table is ready")


def test_a_made_up_answer_has_what_handlers_look_at_and_reads_go_through(stack: Stack) -> None:
    number, router, seen = fresh_number(), Router(), list[Any]()

    @router.on("test.something")
    async def handler(event: Event, ctx: Context) -> None:
        sent = await ctx.telnyx.messages.send(to=number, from_=SMS_FROM, text="Hello")
        assert sent.data is not None
        assert sent.data.to is not None
        seen.extend([sent.data.id, sent.data.to[0].phone_number, sent.data.text])
        profiles = await ctx.telnyx.messaging_profiles.list()
        seen.append(len(profiles.data or []) > 0)
        await ctx.telnyx.messaging_tollfree.verification.requests.delete("some-id")

    stack.start_worker(router, dry_run=True)
    event = envelope("test.something", {})
    stack.deliver(event)

    assert stack.ended(event).state == "done"
    made_up, *rest = seen
    assert made_up.startswith("dry-run-")
    assert rest == [number, "Hello", True]
    assert {each.method for each in stack.simulator.requests} == {"GET"}


def test_what_was_only_written_down_is_sent_once_it_is_meant(stack: Stack) -> None:
    number, router, runs = fresh_number(), Router(), list[int]()

    @router.on("test.something")
    async def handler(event: Event, ctx: Context) -> None:
        runs.append(ctx.attempt)
        await ctx.telnyx.messages.send(to=number, from_=SMS_FROM, text="Hello")
        if len(runs) == 1:
            raise Retry(after=0.5)

    with stack.workers:
        stack.start_worker(router, dry_run=True)
        event = envelope("test.something", {})
        stack.deliver(event)
        stack.when(event, lambda record: record.handlers != {} and record.handlers["handler"].state == "waiting")
    assert stack.sent_to(number) == []
    stack.start_worker(router)
    assert stack.ended(event).state == "done"
    assert len(stack.sent_to(number)) == 1


def test_every_line_of_the_log_says_so(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "_always", {})
    configure_logs()
    announce_dry_run(make_settings())
    announce_dry_run(make_settings(dry_run=True))
    structlog.get_logger("elsewhere").info("something")
    lines = [orjson.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert len(lines) == 2
    assert "RINGBACK_DRY_RUN is on" in lines[0]["event"]
    assert all(line["dry_run"] is True for line in lines)


def test_a_made_up_agent_and_chat_have_the_shape_of_their_answers(stack: Stack) -> None:
    number, router, seen = fresh_number(), Router(), list[Any]()

    @router.on("test.something")
    async def handler(event: Event, ctx: Context) -> None:
        create: Any = ctx.telnyx.rcs.agents.create
        draft = {"brand_id": "brand-1", "configuration": {}, "use_case": "OTP"}
        agent = await create(**draft, display_name="Diner", idempotency_key="agent-17")
        chat = await ctx.telnyx.ai.assistants.whatsapp("a-1", from_=SMS_FROM, to=number, content="Say hello")
        seen.extend([agent.id, agent.display_name, chat.model_dump()["id"]])

    stack.start_worker(router, dry_run=True)
    event = envelope("test.something", {})
    stack.deliver(event)

    assert stack.ended(event).state == "done"
    assert [str(each).startswith("dry-run-") for each in seen] == [True, False, True]
    assert seen[1] == "Diner"
    assert [each for each in stack.simulator.requests if each.method == "POST"] == []
