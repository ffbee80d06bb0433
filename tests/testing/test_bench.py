"""What authors test their handlers with: the outcome, the requests and the events of a real run."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import orjson
import pytest
import telnyx
from pydantic import BaseModel

import handlers
from handlers.sms_fallback import sms_fallback
from service import Context, Discard, Event, Retry, Router
from service.events import Message
from service.settings import InvalidSettings
from service.testing.bench import Bench, Result, make_event
from service.testing.bench import run_handler as run_alone
from service.testing.simulator import Simulator
from tests.telnyx_events import envelope, finalized_rcs, fresh_number

Run = Callable[..., Result]


async def auto_reply(event: Event[Message], ctx: Context) -> None:
    await ctx.reply("Thanks, we will call you back.")


def test_a_handler_is_run_and_its_requests_are_there(run_handler: Run) -> None:
    ran = run_handler(auto_reply, make_event("message.received", text="Are you open?"))

    assert (ran.outcome, ran.reason, ran.error, ran.after, ran.exception) == ("done", None, None, None, None)
    [sent] = ran.requests
    assert (sent.method, sent.path, sent.status) == ("POST", "/messages", 200)
    assert (sent.body["to"], sent.body["text"]) == ("+13125550101", "Thanks, we will call you back.")


def test_a_stop_is_not_answered_and_remembered_within_the_test(run_handler: Run) -> None:
    stop = make_event("message.received", text="STOP", autoresponse_type="STOP")
    stopped = run_handler(auto_reply, stop)
    assert (stopped.outcome, stopped.requests) == ("done", ())
    assert run_handler(auto_reply, make_event("message.received", text="Hello?")).requests == ()


def test_another_test_knows_nothing_of_what_came_before(ringback_bench: Bench, request: pytest.FixtureRequest) -> None:
    ringback_bench.reset()
    ringback_bench.run_handler(auto_reply, make_event("message.received"))
    ringback_bench.run_handler(auto_reply, make_event("message.received", text="STOP", autoresponse_type="STOP"))
    assert len(ringback_bench.telnyx.requests) == 1
    assert ringback_bench.run_handler(auto_reply, make_event("message.received")).requests == ()

    run_handler: Run = request.getfixturevalue("run_handler")
    local_telnyx: Simulator = request.getfixturevalue("local_telnyx")
    assert local_telnyx.requests == []
    assert len(run_handler(auto_reply, make_event("message.received")).requests) == 1


@pytest.mark.usefixtures("real_pauses")
@pytest.mark.parametrize(
    ("raised", "outcome", "reason", "after"),
    [
        (Discard("no customer"), "done", "no customer", None),
        (Retry(after=60), "waiting", "retry", 60.0),
        (ValueError("told to nobody but the author"), "waiting", "error", 1.0),
    ],
)
def test_the_outcome_is_told_in_the_words_of_the_service(
    run_handler: Run,
    capsys: pytest.CaptureFixture[str],
    raised: Exception,
    outcome: str,
    reason: str,
    after: float | None,
) -> None:
    async def handler(event: Event[Any], ctx: Context) -> None:
        raise raised

    ran = run_handler(handler, make_event("test.x"))

    assert (ran.outcome, ran.reason, ran.exception) == (outcome, reason, raised)
    # A busy machine takes a while.
    assert ran.after == (None if after is None else pytest.approx(after, rel=0.5))
    assert ("told to nobody but the author" in capsys.readouterr().err) is isinstance(raised, ValueError)
    assert "told to nobody" not in repr(ran)


def test_a_fault_of_telnyx_is_scripted(run_handler: Run, local_telnyx: Simulator) -> None:
    local_telnyx.add_fault(status=503, times=1)

    ran = run_handler(auto_reply, make_event("message.received"))

    assert ran.outcome == "waiting"
    assert [each.status for each in ran.requests] == [503]


def test_what_a_handler_emits_and_schedules_is_told(run_handler: Run) -> None:
    async def handler(event: Event[Any], ctx: Context) -> None:
        await ctx.emit("order.changed", {"n": 1}, key="a")
        await ctx.schedule("order.overdue", {"n": 2}, after=3600, key="b")

    first = run_handler(handler, make_event("test.x"))
    again = run_handler(handler, make_event("test.x"))

    assert [(each.type, each.payload, each.arrived_by) for each in first.emitted] == [
        ("order.changed", {"n": 1}, "emit"),
        ("order.overdue", {"n": 2}, "schedule"),
    ]
    assert again.emitted == ()


def test_a_router_gives_types_name_options_and_lifespan(run_handler: Run) -> None:
    opened: list[str] = []

    @asynccontextmanager
    async def lifespan() -> AsyncIterator[str]:
        opened.append("in")
        yield "shared"
        opened.append("out")

    router = Router(lifespan=lifespan)

    @router.on("test.*", name="known_as", max_attempts=1)
    async def handler(event: Event[Any], ctx: Context) -> None:
        raise Discard(f"{ctx.state} {ctx.effect_key}")

    ran = run_handler(handler, make_event("test.x", event_id="1"), router=router)
    assert (ran.outcome, ran.reason, opened) == ("done", "shared 1/known_as", ["in", "out"])
    assert run_handler(handler, make_event("other.x"), router=router).outcome == "ignored"
    stand_in = run_handler(handler, make_event("test.x", event_id="2"), router=router, state="a stand-in")
    assert (stand_in.reason, len(opened)) == ("a stand-in 2/known_as", 4)


def test_a_router_that_does_not_know_the_handler_is_refused(run_handler: Run) -> None:
    with pytest.raises(ValueError, match="auto_reply is not subscribed"):
        run_handler(auto_reply, make_event("message.received"), router=handlers.router)


def test_settings_are_those_of_the_test_alone(run_handler: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RINGBACK_SMS_FROM", "+13125550177")
    failed = finalized_rcs("delivery_failed", fresh_number())

    unarmed = run_handler(sms_fallback, make_event("message.finalized", payload=failed), router=handlers.router)
    armed = run_handler(
        sms_fallback,
        make_event("message.finalized", payload=failed),
        router=handlers.router,
        settings={"RINGBACK_SMS_FROM": "+13125550199"},
    )

    assert (unarmed.outcome, unarmed.reason) == ("done", "not_armed")
    assert [each.body["from"] for each in armed.requests if each.method == "POST"] == ["+13125550199"]
    with pytest.raises(ValueError, match="RINGBACK_SMS_FORM is no setting"):
        run_handler(auto_reply, make_event("message.received"), settings={"RINGBACK_SMS_FORM": "x"})
    with pytest.raises((InvalidSettings, ValueError), match="RINGBACK_SMS_FROM"):
        run_handler(auto_reply, make_event("message.received"), settings={"RINGBACK_SMS_FROM": "x"})


def test_a_redelivery_runs_nothing(run_handler: Run) -> None:
    event = make_event("message.received")
    assert len(run_handler(auto_reply, event).requests) == 1
    again = run_handler(auto_reply, event)
    assert (again.outcome, again.requests) == ("done", ())


def test_an_event_that_went_to_another_handler_is_refused(run_handler: Run) -> None:
    event = make_event("message.received")
    run_handler(auto_reply, event)
    with pytest.raises(ValueError, match="make one of its own"):
        run_handler(handlers.consent.consent, event)


def test_the_body_of_a_webhook_is_an_event_too(run_handler: Run) -> None:
    seen: list[Event[Any]] = []

    async def handler(event: Event[Any], ctx: Context) -> None:
        seen.append(event)

    body = envelope("test.x", {"n": 1})
    assert run_handler(handler, body).outcome == "done"
    assert (seen[0].id, seen[0].payload, seen[0].arrived_by) == (body["data"]["id"], {"n": 1}, "webhook")


def test_a_payload_that_does_not_fit_is_dead_as_it_would_be(run_handler: Run) -> None:
    class Order(BaseModel):
        number: int

    async def handler(event: Event[Order], ctx: Context) -> None: ...

    ran = run_handler(handler, make_event("order.changed", number="none"))
    assert (ran.outcome, ran.reason) == ("dead", "payload")


def test_a_refusal_by_telnyx_is_dead_with_its_code(run_handler: Run, local_telnyx: Simulator) -> None:
    local_telnyx.add_fault(status=400, code="40310", times=1)
    ran = run_handler(auto_reply, make_event("message.received"))
    assert (ran.outcome, ran.reason) == ("dead", "40310")
    assert isinstance(ran.exception, telnyx.BadRequestError)


@pytest.mark.parametrize(
    ("event_type", "seen"),
    [
        ("message.received", ("inbound", "SMS", "webhook_delivered")),
        ("message.finalized", ("outbound", "RCS", "delivery_failed")),
        ("message.sent", ("outbound", "RCS", "sent")),
        ("message.read", ("outbound", "RCS", "read")),
    ],
)
def test_events_of_messages_have_a_payload(event_type: str, seen: tuple[str, str, str]) -> None:
    message = Message.model_validate(make_event(event_type).payload)
    assert (message.direction, message.type, message.to[0].status) == seen


def test_fields_are_put_over_the_payload() -> None:
    event = make_event("message.received", from_={"phone_number": "+1"}, id="message-1", event_id="event-1")
    assert (event.id, event.payload["from"], event.payload["id"]) == ("event-1", {"phone_number": "+1"}, "message-1")
    assert make_event("10dlc.campaign.update", payload={"a": 1}, b=2).payload == {"a": 1, "b": 2}
    assert make_event("10dlc.campaign.update").payload == {}
    assert orjson.dumps(make_event("x", arrived_by="emit").arrived_by) == b'"emit"'


def test_without_the_plugin_a_run_brings_its_own_bench() -> None:
    assert len(run_alone(auto_reply, make_event("message.received")).requests) == 1
