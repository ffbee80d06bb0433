"""G5 through a real worker, the real SDK and the local Telnyx: whatever is lost, an SMS goes out once."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
import pytest
import telnyx

from service import Context, Event, Retry, Router
from service.store.inbox import accept
from service.store.store import Store
from tests.stack import SMS_FROM, Stack
from tests.telnyx_events import envelope, fresh_number
from tests.waiting import wait_for

Handler = Callable[[Event, Context], Awaitable[None]]


def routed(handler: Handler, *types: str, **options: Any) -> Router:
    router = Router()
    router.on(*(types or ("test.something",)), name="handler", **options)(handler)
    return router


def something() -> dict[str, Any]:
    return envelope("test.something", {})


async def send(ctx: Context, number: str, text: str = "Hello", **options: Any) -> Any:
    return await ctx.telnyx.messages.send(to=number, from_=SMS_FROM, text=text, **options)


def messages_to(stack: Stack, number: str) -> list[str]:
    """The texts that Telnyx has sent to a number."""
    return [each.text for each in stack.simulator.account.messages if each.to == number]


def requests_for(stack: Stack, number: str) -> list[Any]:
    return [
        each
        for each in stack.simulator.requests
        if each.method == "POST" and isinstance(each.body, dict) and each.body.get("to") == number
    ]


FAULTS: dict[str, dict[str, Any]] = {
    "500 before": {"kind": "status", "status": 500},
    "500 after": {"kind": "status", "when": "after", "status": 500},
    "503 after": {"kind": "status", "when": "after", "status": 503, "headers": {"retry-after": "0"}},
    "408 after": {"kind": "status", "when": "after", "status": 408},
    "reset before": {"kind": "reset"},
    "reset after": {"kind": "reset", "when": "after"},
    "429": {"kind": "status", "status": 429, "code": "10011"},
    "409 in progress": {"kind": "status", "status": 409, "code": "10015"},
    "three answers lost": {"kind": "reset", "when": "after", "times": 3},
}


@pytest.mark.parametrize("fault", FAULTS)
def test_whatever_telnyx_does_to_a_send_it_happens_once(stack: Stack, fault: str) -> None:
    number = fresh_number()

    async def handler(event: Event, ctx: Context) -> None:
        await send(ctx, number)

    stack.simulator.add_fault(path="/messages", **FAULTS[fault])
    stack.start_worker(routed(handler))
    event = something()
    stack.deliver(event)

    record = stack.ended(event)
    assert (record.state, record.handlers["handler"].attempts) == ("done", 0)
    assert messages_to(stack, number) == ["Hello"]
    requests = requests_for(stack, number)
    assert len(requests) == FAULTS[fault].get("times", 1) + 1
    assert len({each.idempotency_key for each in requests}) == 1
    [effect] = stack.effects(event)
    assert effect.state == "done"


def test_a_retry_that_skips_one_recipient_does_not_mix_them_up(stack: Stack) -> None:
    first, second, runs = fresh_number(), fresh_number(), []

    async def handler(event: Event, ctx: Context) -> None:
        runs.append(ctx.attempt)
        if len(runs) == 1:
            await send(ctx, first)
            await send(ctx, second)
            raise Retry(after=0)
        await send(ctx, second)

    stack.start_worker(routed(handler))
    event = something()
    stack.deliver(event)

    assert stack.ended(event).state == "done"
    assert [messages_to(stack, number) for number in (first, second)] == [["Hello"], ["Hello"]]
    assert [len(requests_for(stack, number)) for number in (first, second)] == [1, 1]


def test_alike_calls_in_any_order_find_their_own_entries(stack: Stack) -> None:
    number, runs = fresh_number(), []
    texts = ["one", "two", "three"]

    async def handler(event: Event, ctx: Context) -> None:
        runs.append(ctx.attempt)
        await asyncio.gather(*(send(ctx, number, text) for text in texts[:: -1 if len(runs) > 1 else 1]))
        if len(runs) < 3:
            raise Retry(after=0)

    stack.start_worker(routed(handler))
    event = something()
    stack.deliver(event)

    assert stack.ended(event).state == "done"
    assert sorted(messages_to(stack, number)) == sorted(texts)


@pytest.mark.parametrize("status", [200, 429, 503])
@pytest.mark.parametrize("order", [[1, 0], [2, 1, 0], [2, 0, 1], [1, 2, 0]], ids=str)
def test_a_run_in_another_order_sends_each_text_once(stack: Stack, order: list[int], status: int) -> None:
    number, runs = fresh_number(), []
    texts = [f"text {each}" for each in range(len(order))]

    async def handler(event: Event, ctx: Context) -> None:
        runs.append(ctx.attempt)
        if len(runs) == 1:
            for text in texts[: len(order) - 1]:
                await send(ctx, number, text)
            raise Retry(after=0)
        for place in order:
            await send(ctx, number, texts[place])

    if status != 200:
        stack.simulator.add_fault(path="/messages", status=status, headers={"retry-after": "0"}, times=1)
    stack.start_worker(routed(handler))
    stack.deliver(event := something())
    assert stack.ended(event).state == "done"
    assert sorted(messages_to(stack, number)) == texts


def test_a_deploy_that_changes_the_text_between_attempts_sends_nothing_new(stack: Stack) -> None:
    done, unknown, texts = fresh_number(), fresh_number(), iter(["before", "after", "after"])

    async def handler(event: Event, ctx: Context) -> None:
        text = next(texts)
        await send(ctx, done, text)
        await send(ctx, unknown, text)

    stack.simulator.add_fault(path="/messages", recipient=unknown, kind="reset", when="before")
    stack.start_worker(routed(handler))
    event = something()
    stack.deliver(event)

    record = stack.ended(event)
    assert record.state == "done"
    assert messages_to(stack, done) == ["before"]
    assert messages_to(stack, unknown) == ["before"], "the stored bytes go, whatever the code says by now"
    assert any("something else" in remark for run in record.handlers["handler"].runs for remark in run.remarks)


def test_nothing_is_sent_after_the_handler_ended(stack: Stack) -> None:
    number, escaped = fresh_number(), []

    async def late(ctx: Context) -> None:
        await asyncio.sleep(0.05)
        escaped.append("still running")
        await send(ctx, number)

    async def handler(event: Event, ctx: Context) -> None:
        if not escaped:
            escaped.append("first run")
            await asyncio.gather(late(ctx), fail())

    async def fail() -> None:
        raise ValueError

    stack.start_worker(routed(handler, max_attempts=1))
    event = something()
    stack.deliver(event)

    assert stack.ended(event).state == "dead"
    assert escaped == ["first run"], "the sibling was cancelled before the outcome was recorded"
    assert requests_for(stack, number) == []


def test_a_client_that_outlives_its_handler_is_closed(stack: Stack) -> None:
    number = fresh_number()
    trouble: list[str] = []
    kept: list[str] = []

    async def stubborn(ctx: Context) -> None:
        while not kept:
            try:
                await asyncio.sleep(0.01)
            except asyncio.CancelledError:
                kept.append("cancelled")
        await asyncio.sleep(0.2)
        try:
            await send(ctx, number)
        except telnyx.APIConnectionError as error:
            trouble.append(type(error.__cause__).__name__)

    async def handler(event: Event, ctx: Context) -> None:
        kept_task = asyncio.create_task(stubborn(ctx))
        await asyncio.sleep(0)
        assert not kept_task.done()

    stack.start_worker(routed(handler))
    event = something()
    stack.deliver(event)

    assert stack.ended(event).state == "done"
    assert trouble == ["HandlerEnded"]
    assert requests_for(stack, number) == []


@pytest.mark.parametrize("fault", ["500 after", "reset after"])
def test_the_sdks_own_retries_are_refused(stack: Stack, fault: str) -> None:
    number, seen = fresh_number(), []

    async def handler(event: Event, ctx: Context) -> None:
        seen.append(len(requests_for(stack, number)))
        await ctx.telnyx.with_options(max_retries=2).messages.send(to=number, from_=SMS_FROM, text="Hello")

    stack.simulator.add_fault(path="/messages", **{**FAULTS[fault], "headers": {}})
    stack.start_worker(routed(handler))
    event = something()
    stack.deliver(event)

    assert stack.ended(event).state == "done"
    assert seen == [0, 1], "one request per run"
    assert messages_to(stack, number) == ["Hello"]


def test_an_answer_that_asks_the_sdk_to_repeat_is_not_obeyed(stack: Stack) -> None:
    number, seen = fresh_number(), []

    async def handler(event: Event, ctx: Context) -> None:
        try:
            await ctx.telnyx.with_options(max_retries=2).messages.send(to=number, from_=SMS_FROM, text="Hello")
        except telnyx.BadRequestError:
            seen.append(len(requests_for(stack, number)))

    stack.simulator.add_fault(
        path="/messages", kind="status", status=400, code="40310", times=3, headers={"x-should-retry": "true"}
    )
    stack.start_worker(routed(handler))
    event = something()
    stack.deliver(event)
    stack.ended(event)
    assert seen == [1]


def test_a_callers_own_key_is_one_effect_for_all_events(stack: Stack) -> None:
    number, answers = fresh_number(), []

    async def handler(event: Event, ctx: Context) -> None:
        answer = await send(ctx, number, event.id, idempotency_key="order 17")
        answers.append(answer.data.id)

    stack.start_worker(routed(handler))
    events = [something() for _ in range(5)]
    for event in events:
        stack.deliver(event)

    assert {stack.ended(event).state for event in events} == {"done"}
    assert len(messages_to(stack, number)) == 1
    assert len(requests_for(stack, number)) == 1
    assert len(answers) == 5
    assert len(set(answers)) == 1


def test_two_handlers_of_one_event_with_one_key_send_once(stack: Stack) -> None:
    number, router = fresh_number(), Router()

    for name in ("one", "two"):

        @router.on("test.something", name=name)
        async def handler(event: Event, ctx: Context) -> None:
            await send(ctx, number, idempotency_key="shared")

    stack.simulator.add_fault(path="/messages", kind="slow", when="before", seconds=0.3)
    stack.start_worker(router)
    event = something()
    stack.deliver(event)

    record = stack.ended(event)
    assert record.state == "done"
    assert len(requests_for(stack, number)) == 1


def test_a_handler_that_catches_everything_is_put_off_all_the_same(stack: Stack) -> None:
    number, caught = fresh_number(), []

    async def handler(event: Event, ctx: Context) -> None:
        try:
            await send(ctx, number)
        except telnyx.APIError:
            caught.append("api error")
        except BaseException as error:  # noqa: BLE001 - what the worst of handlers does
            caught.append(type(error).__name__)

    stack.simulator.add_fault(path="/messages", kind="status", status=503, headers={"retry-after": "0"})
    stack.start_worker(routed(handler))
    event = something()
    stack.deliver(event)

    record = stack.ended(event)
    assert record.state == "done"
    assert [run.outcome for run in record.handlers["handler"].runs] == ["waiting", "done"]
    assert caught == ["Interrupted"]
    assert messages_to(stack, number) == ["Hello"]


def test_other_bytes_under_a_known_key_are_ambiguous(stack: Stack) -> None:
    number = fresh_number()

    async def handler(event: Event, ctx: Context) -> None:
        await send(ctx, number)

    detail = "The Idempotency-Key was already used with a different request."
    stack.simulator.add_fault(path="/messages", kind="status", status=422, code="10015", detail=detail)
    stack.start_worker(routed(handler))
    event = something()
    stack.deliver(event)

    record = stack.ended(event)
    assert (record.state, record.handlers["handler"].reason) == ("dead", "ambiguous")
    assert "--not-sent" in (record.handlers["handler"].error or "")
    assert messages_to(stack, number) == []


@pytest.mark.parametrize("changed", [False, True])
def test_a_lost_ledger_is_made_up_for_by_the_key(stack: Stack, *, changed: bool) -> None:
    number, runs = fresh_number(), []

    async def handler(event: Event, ctx: Context) -> None:
        runs.append(ctx.attempt)
        await send(ctx, number, "other" if changed and len(runs) > 1 else "Hello")
        if len(runs) == 1:
            effects = [key async for key in ctx.redis.scan_iter(f"{stack.keys.namespace}:effect*")]
            await ctx.redis.delete(*effects)
            raise Retry(after=0)

    stack.start_worker(routed(handler))
    event = something()
    stack.deliver(event)

    record = stack.ended(event)
    assert messages_to(stack, number) == ["Hello"]
    assert (record.state, record.handlers["handler"].reason) == (("dead", "ambiguous") if changed else ("done", None))
    first, second = requests_for(stack, number)
    assert first.idempotency_key == second.idempotency_key
    assert second.replayed is not changed


def test_a_connection_that_never_came_about_leaves_nothing_behind(stack: Stack) -> None:
    number = fresh_number()

    async def handler(event: Event, ctx: Context) -> None:
        await send(ctx, number)

    stack.start_worker(routed(handler), base_url="http://127.0.0.1:1/v2", resend="never")
    event = something()
    stack.deliver(event)

    record = stack.when(event, lambda record: any(each.state == "waiting" for each in record.handlers.values()))
    assert record.handlers["handler"].reason == "telnyx_unreachable"
    [effect] = stack.effects(event)
    assert (effect.state, effect.unconfirmed, effect.sent) == ("withdrawn", 0, ())


def test_a_person_settles_a_send_that_must_not_be_repeated(stack: Stack) -> None:
    number = fresh_number()

    async def handler(event: Event, ctx: Context) -> None:
        await send(ctx, number)

    stack.simulator.add_fault(path="/messages", kind="reset", when="after")
    stack.start_worker(routed(handler), resend="never")
    event = something()
    stack.deliver(event)

    record = stack.ended(event)
    assert (record.state, record.handlers["handler"].reason) == ("dead", "ambiguous")
    assert len(requests_for(stack, number)) == 1
    [effect] = stack.effects(event)
    assert (effect.state, effect.unconfirmed) == ("started", 1)


def test_a_first_refusal_is_the_handlers_and_one_after_doubt_proves_nothing(stack: Stack) -> None:
    certain, doubtful, seen = fresh_number(), fresh_number(), []

    async def handler(event: Event, ctx: Context) -> None:
        number = certain if event.payload["certain"] else doubtful
        try:
            await send(ctx, number)
        except telnyx.BadRequestError:
            seen.append(number)

    stack.simulator.add_fault(path="/messages", recipient=doubtful, kind="reset", when="after")
    for number in (certain, doubtful):
        stack.simulator.add_fault(path="/messages", recipient=number, kind="status", status=400, code="40310")
    stack.start_worker(routed(handler))
    events = [envelope("test.something", {"certain": certain}) for certain in (True, False)]
    for event in events:
        stack.deliver(event)

    first, second = (stack.ended(event).handlers["handler"] for event in events)
    assert (first.state, seen) == ("done", [certain])
    assert (second.state, second.reason) == ("dead", "ambiguous")
    assert "40310" in (second.error or "")


def test_two_events_with_one_key_send_once_though_an_answer_is_lost(stack: Stack) -> None:
    number = fresh_number()

    async def handler(event: Event, ctx: Context) -> None:
        await send(ctx, number, idempotency_key="shared by two")

    stack.simulator.add_fault(path="/messages", kind="reset", when="after")
    stack.start_worker(routed(handler))
    events = [something(), something()]
    for event in events:
        stack.deliver(event)
    assert {stack.ended(event).state for event in events} == {"done"}
    assert len(messages_to(stack, number)) == 1


def test_entries_go_with_their_event_and_those_under_own_keys_expire(stack: Stack) -> None:
    number = fresh_number()

    async def handler(event: Event, ctx: Context) -> None:
        await send(ctx, number)
        await send(ctx, number, idempotency_key="mine")

    stack.start_worker(routed(handler), retention=1.0, body_retention=1.0)
    event = something()
    stack.deliver(event)
    stack.ended(event)

    async def left(store: Store) -> list[bytes]:
        if await accept.find(store, event["data"]["id"]):
            return []
        return [key async for key in store.redis.scan_iter(f"{store.namespace}:effect*")]

    [kept] = wait_for(lambda: stack.ask(left))

    async def lives(store: Store) -> int:
        return int(await store.redis.ttl(kept))

    assert 47 * 3600 < stack.ask(lives) <= 48 * 3600


def test_what_was_said_goes_from_the_ledger_with_the_body(stack: Stack) -> None:
    number = fresh_number()

    async def handler(event: Event, ctx: Context) -> None:
        await send(ctx, number, "a secret")

    stack.start_worker(routed(handler), body_retention=0.5)
    event = something()
    stack.deliver(event)
    record = stack.when(event, lambda record: record.state == "done" and record.body is None)
    assert record.state == "done"

    [effect] = stack.effects(event)
    assert effect.answer is not None
    kept = orjson.loads(effect.answer.body)
    assert kept["data"]["id"] == next(iter(stack.simulator.account.messages)).id
    assert b"secret" not in effect.answer.body
    assert number.encode() not in effect.answer.body


def test_the_ledger_holds_no_number_but_in_what_was_said(stack: Stack) -> None:
    number = fresh_number()

    async def handler(event: Event, ctx: Context) -> None:
        await send(ctx, number)

    stack.start_worker(routed(handler))
    event = something()
    stack.deliver(event)
    stack.ended(event)

    async def raw(store: Store) -> list[Any]:
        return [await store.run("effects", event["data"]["id"])]

    [[[_, _, *flat]]] = stack.ask(raw)
    fields = dict(zip(flat[::2], flat[1::2], strict=True))
    assert number.encode() in fields.pop(b"answer")
    assert b"bytes" not in fields, "the bytes give way to their digest"
    assert not [value for value in fields.values() if number.encode() in value]
