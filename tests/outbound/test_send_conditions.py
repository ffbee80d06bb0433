"""What a send depends on: its recipients, the message in whose place it goes, and the budget of replies."""

import asyncio
from dataclasses import replace
from typing import Any

import anyio
import httpx
import orjson
import pytest
from telnyx import APIStatusError, RateLimitError

from service.outbound import effect_rules as rules
from service.outbound import list_pages
from service.outbound.api_call import Call, header_for, idempotency_key, read_call
from service.outbound.dry_run import made_up
from service.outbound.effect_rules import as_reply, conditions_of, instead_of, not_sent_reason, to_carrier
from service.outbound.gate import blocks_of, campaign_block, sender_digest
from service.outbound.list_pages import ListDoesNotEnd, PageCheck, page_progress
from service.store.facts.message_states import InsteadOf, NotAllowed
from tests.outbound.test_fate import NOW, ORDER, SEND, entry

A, B, USER = "+13125550001", "+4401711234567", "US.13491208655302741918"
MESSAGE = InsteadOf("m", None, 1, 5, 9.0, carrier="T-Mobile")


def send(recipient: str | None, **changes: Any) -> Call:
    return replace(SEND, recipient=recipient, **changes)


def test_a_send_depends_on_all_names_of_its_recipients() -> None:
    found = conditions_of(send(f"{A},{B},{USER},ACME,{A}"))
    assert found is not None
    assert found.recipients == (A, B, "+441711234567", USER)
    assert (found.regions, found.instead_of, found.replies_per_hour) == (("US", "GB"), None, None)
    assert conditions_of(ORDER) is None
    assert conditions_of(send(None)) is None
    assert conditions_of(send("ACME")) is None


@pytest.mark.parametrize(
    ("path", "fields", "recipient"),
    [
        ("/messages", {"to": A}, A),
        ("/messages/schedule", {"to": A}, A),
        ("/ai/assistants/one/scheduled_events", {"telnyx_end_user_target": A}, None),
        (
            "/ai/assistants/one/scheduled_events",
            {"telnyx_end_user_target": A, "telnyx_conversation_channel": "sms_chat"},
            A,
        ),
        ("/messaging_profiles", {"to": A}, None),
    ],
)
def test_what_telnyx_sends_later_depends_on_its_recipient_too(
    path: str, fields: dict[str, str], recipient: str | None
) -> None:
    call = anyio.run(read_call, httpx.Request("POST", f"https://host/v2{path}", json=fields), "/v2")
    assert call.recipient == recipient
    assert (conditions_of(call) is not None) == (recipient is not None)
    assert call.keyed == (path == "/messages")


def test_within_its_block_a_send_goes_in_the_place_of_a_message() -> None:
    with instead_of(MESSAGE):
        inner = conditions_of(send(A))
        assert inner is not None
        assert inner.instead_of is MESSAGE
        assert to_carrier(send(A)).carrier == "T-Mobile"
        assert to_carrier(ORDER).carrier is None
    outer = conditions_of(send(A))
    assert outer is not None
    assert outer.instead_of is None
    assert to_carrier(send(A)).carrier is None


def test_a_reply_counts_against_its_budget_and_opens_no_country() -> None:
    with as_reply(replies_per_hour=7, to=("other", A)):
        found = conditions_of(send(A))
        assert found is not None
        assert (found.recipients, found.replies_per_hour, found.regions) == ((A, "other"), 7, ())
    after = conditions_of(send(A))
    assert after is not None
    assert after.replies_per_hour is None


@pytest.mark.parametrize(("reason", "code"), [("opted_out", "40300"), ("over_budget", "over_budget")])
def test_a_handler_is_told_why_it_was_not_sent(reason: str, code: str) -> None:
    answer = rules.answer_not_sent(NotAllowed(reason))
    assert (answer.status, answer.headers["content-type"]) == (403, "application/json")
    assert orjson.loads(answer.body)["errors"][0]["code"] == code
    request = httpx.Request("POST", "https://host/")
    response = httpx.Response(answer.status, headers=dict(answer.headers), request=request)
    assert not_sent_reason(APIStatusError("x", response=response, body=None)) == reason
    assert not_sent_reason(APIStatusError("x", response=httpx.Response(403, request=request), body=None)) is None


def test_a_key_of_another_operation_that_is_under_way_is_given_up() -> None:
    known = entry(caller_key=True, method="POST", path="/messages")
    assert rules.decide(known, SEND, NOW, resend="same-key").step == "send_again"
    for other in (replace(known, method="PUT"), replace(known, path="/other")):
        assert (
            rules.decide(other, SEND, NOW, resend="same-key").why
            == "its key is that of another operation, which is under way"
        )
        assert rules.decide(replace(other, caller_key=False), SEND, NOW, resend="same-key").step == "send_again"
    created = entry(sent=NOW - 59_999)
    assert rules.decide(created, ORDER, NOW, resend="same-key") == rules.Decision("wait", wait=0.001)
    unsent = entry(unconfirmed=0)
    assert rules.decide(unsent, SEND, NOW, resend="never").step == "send_again"
    assert rules.decide(replace(unsent, body=None), SEND, NOW, resend="never").step == "send"


def test_a_call_depends_on_the_blocks_of_its_account_path_profile_and_sender() -> None:
    profile = "40385f64-5717-4562-b3fc-2c963f66afa6"
    call = Call("POST", "/messages?x=1", product="sms", sender=A, messaging_profile_id=profile, carrier="AT&T")
    found = blocks_of(call)
    number = sender_digest(A, profile)
    assert found["permission"] == "permission:/messages"
    assert found["profile_disabled"] == f"profile_disabled:{profile}"
    assert found["campaign"] == campaign_block(number) == f"campaign:{number}"
    assert found["campaign:AT&T"] == campaign_block(number, "AT&T")
    assert found["campaign:others"] == f"campaign:{number}:others"
    assert "campaign:others" not in blocks_of(replace(call, carrier="T-Mobile"))
    assert "campaign:T-Mobile" in blocks_of(replace(call, carrier="T-Mobile"))
    assert not any(each.startswith("campaign:") for each in blocks_of(replace(call, carrier=None)))
    assert "campaign" not in blocks_of(replace(call, product="rcs"))
    assert blocks_of(Call("GET", "/messages")) == {"outage": "outage", "credentials": "credentials"}
    unnamed = blocks_of(replace(call, messaging_profile_id=None))["profile_disabled"]
    assert len(unnamed) == len("profile_disabled:") + 16
    assert unnamed != blocks_of(replace(call, messaging_profile_id=None, sender="x"))["profile_disabled"]
    assert A not in str(found)
    assert sender_digest(None, "a") == sender_digest(None, "a") != sender_digest(None, "b") != sender_digest("x", "b")


def test_a_made_up_answer_has_the_form_of_the_real_one() -> None:
    data = orjson.loads(made_up(send(f"{A},{B}", body=b'{"text":"Hi"}')).body)["data"]
    assert data["to"] == [{"phone_number": A, "status": "queued"}, {"phone_number": B, "status": "queued"}]
    assert (data["text"], data["id"][:8]) == ("Hi", "dry-run-")
    bare = orjson.loads(made_up(Call("POST", "/rcs/agents", b'{"id":"mine"}')).body)
    assert bare == {"id": "mine"}


def test_requests_are_read_as_what_they_are() -> None:
    def call_of(request: httpx.Request) -> Call:
        return anyio.run(read_call, request, "/v2")

    body = {"to": [B, A, 7], "agent_id": "agent", "messaging_profile_id": "", "from": ""}
    call = call_of(httpx.Request("POST", "https://host/v2/messages?a=1", json=body))
    assert (call.path, call.recipient, call.sender, call.messaging_profile_id) == (
        "/messages?a=1",
        f"{A},{B}",
        "agent",
        None,
    )
    read = call_of(httpx.Request("GET", "https://host/v2/messages?a=1", headers={"Idempotency-Key": "k"}))
    assert (read.path, read.recipient, read.caller_key, read.is_effect) == ("/messages", None, "k", False)
    form = call_of(
        httpx.Request("POST", "https://host/v2/messages", content=b'{"to":"x"}', headers={"content-type": "text/plain"})
    )
    assert form.recipient is None
    assert idempotency_key("a", "b") == idempotency_key("a", "b") != idempotency_key("ab")
    assert len(idempotency_key("a")) == 67
    upload = Call("POST", "/x", b"--abc\r\nx\r\n--abc--", "multipart/form-data; boundary=abc")
    other = Call("POST", "/x", b"--def\r\nx\r\n--def--", "multipart/form-data;boundary=def")
    assert upload.digest == other.digest != Call("POST", "/x", b"--def\r\nx\r\n--def--").digest
    assert header_for("ab", 1) != header_for("ab", 2)
    request = "/messaging_tollfree/verification/requests/r"
    assert [Call(each, request).replaces_toll_free_request for each in ("PATCH", "DELETE", "GET")] == [
        True,
        False,
        False,
    ]
    assert [Call(each, "/messaging_profiles/p").repeatable for each in ("PATCH", "PUT", "DELETE", "POST")] == [
        *(True, True, True, False)
    ]
    assert not Call("PATCH", "/other").repeatable


def test_a_list_that_repeats_or_never_ends_is_told() -> None:
    shown: list[tuple[int, int | None]] = []
    token = page_progress.set(lambda *told: shown.append(told))
    try:
        check = PageCheck("numbers")
        check.count([{"id": "a"}, {"agent_id": "b"}], 3)
        check.count([{"id": "a"}, {"x": 1}])
        check.count([])
        assert (check.pages, check.rows, shown) == (3, 4, [(1, 3), (2, None), (3, None)])
        with pytest.raises(ListDoesNotEnd, match="page 4 of the list of numbers repeats rows of pages before it"):
            check.count([{"x": 1}])
    finally:
        page_progress.reset(token)


@pytest.mark.parametrize(
    ("pages", "rows", "total_pages", "total_rows", "told"),
    [
        (1, 5, 2, None, None),
        (2, 5, 2, None, "goes on beyond its 2 pages"),
        (1, 5, None, 5, None),
        (1, 6, None, 5, "goes on beyond its 5 rows"),
        (9_999, 5, None, None, None),
        (10_000, 5, None, None, "has more than 10000 pages"),
    ],
)
def test_another_page_may_follow_only_within_what_telnyx_names(
    pages: int, rows: int, total_pages: int | None, total_rows: int | None, told: str | None
) -> None:
    check = PageCheck("numbers", pages, rows)
    if told is None:
        check.before_next(total_pages, total_rows)
        return
    with pytest.raises(ListDoesNotEnd, match=told):
        check.before_next(total_pages, total_rows)


def too_many(**headers: str) -> RateLimitError:
    request = httpx.Request("GET", "https://host/")
    told = {name.replace("_", "-"): value for name, value in headers.items()}
    return RateLimitError("x", response=httpx.Response(429, headers=told, request=request), body=None)


@pytest.mark.anyio
async def test_a_429_is_waited_out_a_few_times(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", sleep)

    async def asked(*errors: RateLimitError) -> Any:
        waits.clear()
        left = list(errors)

        async def ask() -> str:
            if left:
                raise left.pop(0)
            return "page"

        return await list_pages._once_allowed(ask)

    assert await asked() == "page"
    assert waits == []
    assert await asked(*[too_many()] * 5) == "page"
    assert waits == [1.0, 2.0, 4.0, 8.0, 16.0]
    assert await asked(too_many(retry_after="0"), too_many(retry_after="30")) == "page"
    assert waits == [list_pages.PAUSE, 30.0]
    with pytest.raises(RateLimitError):
        await asked(too_many(retry_after="31"))
    with pytest.raises(RateLimitError):
        await asked(*[too_many(retry_after="0")] * 6)
    assert len(waits) == 5
