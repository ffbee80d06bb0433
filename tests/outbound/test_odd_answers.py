"""Answers that nobody documents: whatever Telnyx, or a proxy before it, says, nothing is sent twice, nor lost."""

from typing import Any

import pytest

from service import Context, Event, Router
from service.store.effects.blocks import open_blocks
from tests.outbound.odd_telnyx import JSON, SENT, Odd, odd_telnyx, raw
from tests.stack import SMS_FROM, Stack
from tests.telnyx_events import envelope, fresh_number

DEEP = b"[" * 100_000
LONE_SURROGATE = b'{"errors":[{"code":"40310","title":"Invalid \\ud83d","detail":"\\ud83d"}]}'


def sending(**options: Any) -> Router:
    router = Router()

    @router.on("test.something")
    async def handler(event: Event, ctx: Context) -> None:
        telnyx = ctx.telnyx.with_options(max_retries=2)
        await telnyx.messages.send(to=event.payload["to"], from_=SMS_FROM, text="Hello", **options)

    return router


def something() -> dict[str, Any]:
    return envelope("test.something", {"to": fresh_number()})


def keys_used(odd: Odd) -> int:
    return len({key for _, _, key, _ in odd.asked})


@pytest.mark.parametrize(
    "header",
    [
        pytest.param("x-note: caf\xe9".encode("latin-1"), id="no ASCII"),
        pytest.param(b"x-ratelimit-remaining: 0\r\nx-ratelimit-reset: " + b"9" * 400, id="endless wait"),
        pytest.param("x-ratelimit-limit: \u0663".encode(), id="digits of another script"),
        pytest.param(b"x-ratelimit-limit: " + b"9" * 400, id="endless limit"),
    ],
)
def test_an_odd_header_of_a_success_sends_nothing_twice(stack: Stack, header: bytes) -> None:
    event = something()
    with odd_telnyx([raw(200, SENT, JSON, header)]) as odd:
        stack.start_worker(sending(), base_url=odd.url)
        stack.deliver(event)
        record = stack.ended(event).handlers["handler"]
    assert len(odd.asked) == 1
    assert (record.state, record.attempts) == ("done", 0)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(raw(503, b"{}", JSON, b"retry-after: \xb2"), id="superscript"),
        pytest.param(
            raw(503, b"{}", JSON, b"retry-after: Fri, 31 Dec 99999999999999999999 23:59:59 GMT"), id="far date"
        ),
        pytest.param(raw(503, b"{}", JSON, b"retry-after: Fri, 31 Dec 2027 23:59:59 +99999999999999"), id="far zone"),
        pytest.param(raw(503, DEEP, JSON, b"retry-after: 0"), id="deep"),
        pytest.param(raw(200, SENT, JSON, b"content-encoding: gzip"), id="no gzip"),
        pytest.param(raw(302, b"", b"location: /v2/messages"), id="redirect"),
        pytest.param(raw(200, b"<html>", b"content-type: text/html"), id="a proxy's page"),
        pytest.param(raw(200, SENT[:20], JSON), id="cut off"),
        pytest.param(raw(200, b"", JSON), id="empty"),
    ],
)
def test_an_odd_failure_is_repeated_under_one_key(stack: Stack, answer: bytes) -> None:
    event = something()
    with odd_telnyx([answer, raw(200, SENT, JSON)]) as odd:
        stack.start_worker(sending(), base_url=odd.url)
        stack.deliver(event)
        record = stack.ended(event).handlers["handler"]
    assert (len(odd.asked), keys_used(odd)) == (2, 1)
    assert (record.state, record.attempts) == ("done", 0)


@pytest.mark.parametrize("body", [LONE_SURROGATE, DEEP, b"", b"<html>", b'{"errors":[{"code":{"a":1}}]}'])
def test_an_odd_refusal_is_a_refusal(stack: Stack, body: bytes) -> None:
    event = something()
    with odd_telnyx([raw(400, body, JSON)]) as odd:
        stack.start_worker(sending(), base_url=odd.url)
        stack.deliver(event)
        record = stack.ended(event).handlers["handler"]
    assert len(odd.asked) == 1
    assert (record.state, record.attempts) == ("dead", 1)


def test_a_header_that_cannot_be_sent_is_the_authors_and_no_outage(stack: Stack) -> None:
    events = [something() for _ in range(6)]
    stack.start_worker(sending(extra_headers={"x-note": "one\ntwo"}), max_attempts=1)
    for event in events:
        stack.deliver(event)
    records = [stack.ended(event).handlers["handler"] for event in events]
    assert {(each.state, each.attempts) for each in records} == {("dead", 1)}
    assert stack.ask(open_blocks) == []
    assert {effect.state for event in events for effect in stack.effects(event)} == {"withdrawn"}


def test_a_success_without_a_body_is_the_same_from_the_ledger(stack: Stack) -> None:
    router, seen = Router(), []

    @router.on("test.something")
    async def handler(event: Event, ctx: Context) -> None:
        seen.append(await ctx.telnyx.delete("/messaging_hosted_numbers/abc", cast_to=object))
        if len(seen) == 1:
            raise ValueError

    event = something()
    with odd_telnyx([raw(204, b"")]) as odd:
        stack.start_worker(router, base_url=odd.url)
        stack.deliver(event)
        assert stack.ended(event).handlers["handler"].attempts == 1
    assert len(odd.asked) == 1
    assert seen[0] == seen[1]


@pytest.mark.parametrize(
    "answer",
    [
        raw(200, b"<html>maintenance</html>", b"content-type: text/html"),
        raw(200, b'{"data":{"id":', JSON),
        raw(200, b"", JSON),
    ],
)
def test_a_read_that_is_answered_by_no_json_waits_and_costs_no_attempt(stack: Stack, answer: bytes) -> None:
    router = Router()

    @router.on("test.reads")
    async def reads(event: Event, ctx: Context) -> None:
        profile = await ctx.telnyx.messaging_profiles.retrieve("profile-1")
        assert profile.data is not None

    with odd_telnyx([answer, raw(200, b'{"data":{"id":"profile-1"}}', JSON)]) as odd:
        stack.start_worker(router, base_url=odd.url)
        stack.deliver(event := envelope("test.reads", {}))
        handler = stack.ended(event).handlers["reads"]
    assert (handler.state, handler.attempts) == ("done", 0)
    assert handler.runs[0].reason == "telnyx_unreadable"


def test_a_change_that_is_answered_by_a_page_is_made_again(stack: Stack) -> None:
    router = Router()

    @router.on("test.changes")
    async def changes(event: Event, ctx: Context) -> None:
        await ctx.telnyx.messaging.rcs.agents.update("agent-1", webhook_url="https://hooks.example.com/webhooks")

    page = raw(200, b"<html>maintenance</html>", b"content-type: text/html; charset=utf-8")
    with odd_telnyx([page, raw(200, b'{"data":{"agent_id":"agent-1"}}', JSON)]) as odd:
        stack.start_worker(router, base_url=odd.url)
        stack.deliver(event := envelope("test.changes", {}))
        handler = stack.ended(event).handlers["changes"]
    assert (handler.state, handler.attempts, handler.runs[0].reason) == ("done", 0, "telnyx_unreadable")
    assert [method for method, *_ in odd.asked] == ["PATCH", "PATCH"]
