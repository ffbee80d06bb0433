"""G5 where a handler cuts its own calls off, sends what is too big to keep, or asks while Telnyx is away."""

import asyncio
import secrets
from dataclasses import replace
from typing import Any

import orjson
import pytest

from service import Context, Event, Retry
from service.store.effects import ledger
from service.store.effects.ledger import Entry, StoredAnswer
from service.store.inbox import accept
from service.store.inbox.leases import ClaimRequest, claim
from service.store.store import Store
from tests.outbound.odd_telnyx import JSON, SENT, odd_telnyx, raw
from tests.outbound.test_once import messages_to, requests_for, routed, send, something
from tests.stack import Stack
from tests.telnyx_events import envelope, fresh_number

TOO_MANY = b'{"errors":[{"code":"10011","title":"Too many requests"}]}'


def test_a_call_that_a_handler_cut_off_itself_and_repeats_is_one_effect(stack: Stack) -> None:
    number = fresh_number()

    async def handler(event: Event, ctx: Context) -> None:
        try:
            await asyncio.wait_for(send(ctx, number), timeout=0.3)
        except TimeoutError:
            await send(ctx, number)

    stack.simulator.add_fault(path="/messages", kind="slow", when="after", seconds=0.6)
    stack.start_worker(routed(handler))
    event = something()
    stack.deliver(event)
    assert stack.ended(event).state == "done"
    assert messages_to(stack, number) == ["Hello"]
    asked = requests_for(stack, number)
    assert len(asked) == 2
    assert len({each.idempotency_key for each in asked}) == 1


def test_what_is_too_big_to_keep_goes_again_after_a_rate_limit(stack: Stack) -> None:
    async def handler(event: Event, ctx: Context) -> None:
        await ctx.telnyx.messaging_hosted_number_orders.actions.upload_file(
            "abc", loa=("loa.pdf", b"x" * 300_000, "application/pdf")
        )

    event = something()
    with odd_telnyx([raw(429, TOO_MANY, JSON, b"retry-after: 0"), raw(200, SENT, JSON)]) as odd:
        stack.start_worker(routed(handler), base_url=odd.url)
        stack.deliver(event)
        record = stack.ended(event).handlers["handler"]
    assert (record.state, record.error) == ("done", None)
    assert len(odd.asked) == 2


def test_an_upload_answered_from_the_ledger_is_no_other_upload(stack: Stack) -> None:
    runs: list[Any] = []

    async def handler(event: Event, ctx: Context) -> None:
        runs.append(None)
        for content in (b"one", b"two")[:: -1 if len(runs) > 1 else 1]:
            answer = await ctx.telnyx.messaging_hosted_number_orders.actions.upload_file("abc", loa=("f", content))
            runs.append((content, answer.data.id if answer.data else None))
        if len(runs) == 3:
            raise Retry(after=0)

    event = something()
    with odd_telnyx([raw(200, b'{"data":{"id":"%d"}}' % each, JSON) for each in range(2)]) as odd:
        stack.start_worker(routed(handler), base_url=odd.url)
        stack.deliver(event)
        record = stack.ended(event).handlers["handler"]
    assert len(odd.asked) == 2
    assert sorted(runs[1:3]) == sorted(runs[4:6])
    remarks = [remark for run in record.runs for remark in run.remarks]
    assert len(remarks) == 2
    assert not any("something else" in each for each in remarks)


def test_a_look_up_that_fails_is_repeated_and_proves_nothing(stack: Stack) -> None:
    path, body = "/messaging_tollfree/verification/requests/abc", {"businessName": "Acme"}

    async def handler(event: Event, ctx: Context) -> None:
        await ctx.telnyx.patch(path, body=body, cast_to=object)

    away, there = raw(503, b"{}", JSON, b"retry-after: 0"), raw(200, b'{"businessName":"Acme"}', JSON)
    event = something()
    with odd_telnyx([away, away, there]) as odd:
        stack.start_worker(routed(handler), base_url=odd.url)
        stack.deliver(event)
        assert stack.ended(event).state == "done"
    assert [method for method, *_ in odd.asked] == ["PATCH", "GET", "GET"]


async def doubted(store: Store) -> Entry:
    """An entry with one request of unknown fate, and another whose refusal was noted twice, as the reply was lost."""
    await accept.accept(store, [accept.NewEvent("e1", "test.one", b"{}", "webhook")])
    [lease] = (await claim(store, ClaimRequest("w", 1, lease=60, limit=1, routes={"one": ["test.one"]}))).leases
    entry = Entry("n", "e1", "one", False, "POST", "/messages", "", "t", "", "d", "started", b"{}")
    for version, again in ((0, False), (1, True)):
        await ledger.begin(store, lease, replace(entry, version=version), "run", again=again, keep=60)
    for _ in range(2):
        await ledger.end(store, "n", "withdrawn", StoredAnswer(401), sent_at=1, why="", note="once")
    [known] = await ledger.effects_of(store, "e1")
    return known


def test_an_answer_noted_twice_settles_no_other_request(stack: Stack) -> None:
    entry = stack.ask(doubted)
    assert (entry.state, entry.sends, entry.unconfirmed) == ("started", 2, 1)


def test_a_handler_cannot_close_the_client_of_all(stack: Stack) -> None:
    first, second = fresh_number(), fresh_number()

    async def handler(event: Event, ctx: Context) -> None:
        async with ctx.telnyx.with_options(max_retries=1) as client:
            await client.messages.send(to=event.payload["to"], from_="+13125550199", text="Hello")

    stack.start_worker(routed(handler), max_attempts=1)
    for number in (first, second):
        event = envelope("test.something", {"to": number})
        stack.deliver(event)
        assert stack.ended(event).state == "done"
    assert messages_to(stack, second) == ["Hello"]


@pytest.mark.parametrize("key_of_ours", [False, True])
def test_one_key_for_another_operation_sends_no_foreign_bytes(stack: Stack, key_of_ours: bool) -> None:  # noqa: FBT001
    """At Telnyx a key is of one operation; a key of Ringback's own form is of one effect, whatever the operation."""
    number = fresh_number()
    own_key = "rb-" + secrets.token_hex(32) if key_of_ours else "one"

    async def handler(event: Event, ctx: Context) -> None:
        key = {"idempotency-key": own_key}
        if event.payload["first"]:
            await send(ctx, number, extra_headers=key)
        else:
            body = {"to": number, "messaging_profile_id": "abc", "text": "Pool"}
            await ctx.telnyx.post("/messages/number_pool", body=body, cast_to=object, options={"headers": key})

    first, second = (envelope("test.something", {"first": each}) for each in (True, False))
    away, there = raw(503, b"{}", JSON, b"retry-after: 3600"), raw(200, SENT, JSON)
    with odd_telnyx([away, there]) as odd:
        stack.start_worker(routed(handler), base_url=odd.url)
        stack.deliver(first)
        stack.when(first, lambda record: bool(record.handlers) and record.handlers["handler"].state == "waiting")
        stack.deliver(second)
        record = stack.ended(second).handlers["handler"]
    texts = [(path, orjson.loads(body)["text"]) for _, path, _, body in odd.asked]
    if key_of_ours:
        assert texts == [("/v2/messages", "Hello")]
        assert (record.state, record.reason) == ("dead", "ambiguous")
    else:
        assert texts == [("/v2/messages", "Hello"), ("/v2/messages/number_pool", "Pool")]
        assert record.state == "done"
