"""The table of effects, row by row: what is known decides the next step, and an answer decides what is known."""

from dataclasses import replace
from typing import Any

import anyio
import orjson
import pytest

from service.outbound.api_call import Call
from service.outbound.effect_rules import Resend, after_look_up, decide, outcome_of
from service.outbound.errors import TelnyxResponse
from service.outbound.lookups import look_up_for
from service.store.effects.ledger import Entry, EntryState, StoredAnswer

NOW = 1_800_000_000_000
HOUR = 3_600_000
SEND = Call("POST", "/messages", b'{"to":"+13125550001"}', recipient="+13125550001")
TOLL_FREE = Call("PATCH", "/messaging_tollfree/verification/requests/abc", b"{}")
AGENT = Call("PATCH", "/messaging/rcs/agents/abc", b"{}")
DELETE = Call("DELETE", "/messaging_hosted_numbers/abc")
ORDER = Call("POST", "/messaging_hosted_number_orders", b"{}")
NEW_AGENT = Call("POST", "/rcs/agents", b"{}")
SUBMITTED_BRAND = Call("POST", "/rcs/brands/abc/submit")
LAUNCHED_AGENT = Call("POST", "/rcs/agents/abc/launch", b"{}")
CHAT = Call("POST", "/ai/assistants/a/chat/sms", b"{}", recipient="+13125550001")
CODES = Call("POST", "/messaging_hosted_number_orders/abc/verification_codes", b"{}")


def entry(state: EntryState = "started", *, sent: int = NOW - 1000, **changes: Any) -> Entry:
    known = Entry(
        name="name",
        event_id="event",
        handler="handler",
        caller_key=False,
        method="POST",
        path="/messages",
        recipient="+1312•••0001",
        target=SEND.target,
        content_type="application/json",
        digest=SEND.digest,
        state=state,
        body=SEND.body,
        version=1,
        sends=1,
        unconfirmed=1,
        first_at=sent,
        last_at=sent,
    )
    return replace(known, **changes)


def step(known: Entry | None, call: Call = SEND, *, resend: Resend = "same-key") -> str:
    return decide(known, call, NOW, resend=resend).step


@pytest.mark.parametrize("state", ["withdrawn", "forgotten", "would", "refused"])
def test_what_did_not_happen_is_sent(state: EntryState) -> None:
    assert step(None) == "send"
    assert step(entry(state, unconfirmed=0)) == "send"


@pytest.mark.parametrize("state", ["done", "resolved"])
@pytest.mark.parametrize("call", [SEND, TOLL_FREE, AGENT, DELETE, ORDER, CODES])
def test_what_happened_is_answered_from_the_ledger(state: EntryState, call: Call) -> None:
    assert step(entry(state, sent=NOW - 100 * HOUR), call) == "return"


def test_a_stop_is_never_asked_again() -> None:
    body = orjson.dumps({"errors": [{"code": "40300"}]})
    assert step(entry("refused", unconfirmed=0, answer=StoredAnswer(403, "application/json", body))) == "return"


def test_a_send_of_unknown_fate_goes_again_while_its_key_is_honoured() -> None:
    assert step(entry(sent=NOW - 23 * HOUR)) == "send_again"
    assert step(entry(sent=NOW - 23 * HOUR - 1)) == "give_up"
    assert step(entry(), resend="never") == "give_up"
    assert step(entry(body=None)) == "give_up"
    assert step(entry(status=422)) == "give_up"


@pytest.mark.parametrize("call", [NEW_AGENT, CHAT])
def test_whatever_telnyx_knows_by_its_key_goes_again_as_sends_do(call: Call) -> None:
    assert step(entry(sent=NOW - 23 * HOUR), call) == "send_again"
    assert step(entry(sent=NOW - 23 * HOUR - 1), call) == "give_up"


def test_a_send_that_telnyx_only_put_off_goes_again_whatever_the_setting() -> None:
    assert step(entry(unconfirmed=0), resend="never") == "send_again"
    assert step(entry(unconfirmed=0), CODES) == "send_again"


@pytest.mark.parametrize("call", [AGENT, DELETE, SUBMITTED_BRAND, LAUNCHED_AGENT])
def test_what_may_be_done_twice_goes_again_within_five_minutes(call: Call) -> None:
    assert step(entry(sent=NOW - 5 * 60_000), call) == "send_again"
    assert step(entry(sent=NOW - 5 * 60_000 - 1), call) == "look_up"


def test_a_toll_free_request_is_read_back_before_it_goes_again() -> None:
    recent, old = entry(sent=NOW - 1000), entry(sent=NOW - HOUR)
    assert step(recent, TOLL_FREE) == "look_up"
    assert after_look_up(recent, TOLL_FREE, NOW, "why").step == "send_again"
    assert after_look_up(old, TOLL_FREE, NOW, "why").step == "give_up"
    erased = entry(sent=NOW - 1000, body=None)
    assert after_look_up(erased, TOLL_FREE, NOW, "why").step == "give_up"


@pytest.mark.parametrize(
    ("changes", "is_found"),
    [({}, True), ({"status": "VERIFIED"}, True), ({"status": "REJECTED"}, False), ({"legal_name": "Other"}, False)],
)
def test_a_created_rcs_brand_is_found_by_its_fields(changes: dict[str, str], *, is_found: bool) -> None:
    fields = {"display_name": "Acme", "legal_name": "Acme LLC", "website_url": "https://acme.example"}
    shown = {**fields, "brand_id": "b-1", "status": "CREATED", **changes}

    async def get(path: str) -> TelnyxResponse:
        assert path == "/rcs/brands"
        return TelnyxResponse(200, {}, orjson.dumps([{"brand_id": "b-0"}, shown]))

    call = Call("POST", "/rcs/brands", orjson.dumps(fields))
    look_up = look_up_for(call)
    assert look_up is not None
    found = anyio.run(look_up, call, entry(body=call.body), get)
    assert (found is not None) is is_found
    assert found is None or orjson.loads(found.body)["brand_id"] == "b-1"


def test_all_else_is_looked_for_after_a_minute_and_never_sent_blindly() -> None:
    recent, old = entry(sent=NOW - 59_000), entry(sent=NOW - 60_000)
    assert decide(recent, ORDER, NOW, resend="same-key").wait == 1.0
    assert step(old, ORDER) == "look_up"
    assert after_look_up(old, ORDER, NOW, "why").step == "give_up"
    assert step(recent, CODES) == "give_up"


def refusal(status: int, code: str = "", detail: str = "") -> TelnyxResponse:
    return TelnyxResponse(status, {}, orjson.dumps({"errors": [{"code": code, "detail": detail}]}))


@pytest.mark.parametrize(
    ("call", "answer", "again", "outcome"),
    [
        (SEND, TelnyxResponse(200, body=b'{"data":{}}'), False, "done"),
        (SEND, TelnyxResponse(202, body=b'{"data":{}}'), True, "done"),
        (SEND, TelnyxResponse(200), False, "unknown"),
        (SEND, TelnyxResponse(200, body=b"<html>"), True, "unknown"),
        (ORDER, TelnyxResponse(201, body=b"<html>"), False, "done"),
        (DELETE, TelnyxResponse(404), True, "done"),
        (DELETE, TelnyxResponse(404), False, "refused"),
        (SEND, refusal(400, "40310"), False, "refused"),
        (SEND, refusal(403, "40300"), False, "refused"),
        (SEND, refusal(409, "40300"), False, "refused"),
        (SEND, refusal(422, "40001"), False, "refused"),
        (SEND, refusal(422, "10015", "The Idempotency-Key was already used"), False, "unknown"),
        (SEND, refusal(401, "10009"), False, "withdrawn"),
        (SEND, refusal(403, "10010"), False, "withdrawn"),
        (SEND, refusal(403, "40333"), False, "withdrawn"),
        (SEND, refusal(429, "10011"), False, "deferred"),
        (SEND, refusal(400, "40318"), False, "deferred"),
        (SEND, refusal(409), False, "unknown"),
        (ORDER, refusal(409), False, "withdrawn"),
        (NEW_AGENT, refusal(409), False, "refused"),
        (NEW_AGENT, refusal(409), True, "unknown"),
        (CHAT, refusal(409), False, "unknown"),
        (CHAT, refusal(403, "10010"), False, "withdrawn"),
        (SEND, refusal(408), False, "unknown"),
        (SEND, TelnyxResponse(302), False, "unknown"),
        (SEND, TelnyxResponse(500), False, "unknown"),
        (ORDER, TelnyxResponse(503), False, "unknown"),
    ],
)
def test_what_an_answer_says(call: Call, answer: TelnyxResponse, *, again: bool, outcome: str) -> None:
    assert outcome_of(call, answer, again=again) == outcome
