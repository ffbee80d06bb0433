"""What a request is taken to be."""

import asyncio
from dataclasses import replace
from typing import Any

import httpx
import pytest

from service.outbound.api_call import Call, header_for, key_header, name_of_key, read_call
from service.outbound.run_ledger import choose
from service.security.encryption import PLAIN
from service.store.effects.ledger import Entry

NUMBER = "+13125550001"


def call_of(method: str, path: str, **body: Any) -> Call:
    request = httpx.Request(method, f"https://api.telnyx.com/v2{path}", json=body)
    return asyncio.run(read_call(request, "/v2"))


@pytest.mark.parametrize(
    ("path", "body", "product"),
    [
        ("/messages", {"to": NUMBER, "text": "Hi"}, "sms"),
        ("/messages", {"to": NUMBER, "media_urls": ["https://example.com/a.png"]}, "mms"),
        ("/messages", {"to": NUMBER, "type": "MMS"}, "mms"),
        ("/messages/group_mms", {"to": [NUMBER]}, "mms"),
        ("/messages/rcs", {"to": NUMBER}, "rcs"),
        ("/messages/number_pool", {"to": NUMBER}, "sms"),
        ("/messages/whatsapp", {"to": NUMBER}, "whatsapp"),
        ("/ai/assistants/a-1/chat/sms", {"to": NUMBER}, "sms"),
        ("/ai/assistants/a-1/chat/whatsapp", {"to": NUMBER}, "whatsapp"),
        ("/email_messages", {"to": ["anna@example.com"]}, None),
    ],
)
def test_a_send_counts_against_the_limits_of_its_product(path: str, body: dict[str, Any], product: str | None) -> None:
    call = call_of("POST", path, **body)
    assert call.product == product
    assert call.is_send
    assert call.keyed


def test_what_is_no_send_has_no_limits() -> None:
    order = call_of("POST", "/messaging_hosted_number_orders", phone_numbers=[NUMBER])
    assert (order.is_send, order.keyed, order.product) == (False, False, None)
    agent = call_of("POST", "/rcs/agents", display_name="Diner")
    assert (agent.is_send, agent.keyed, agent.product) == (False, True, None)
    assert not call_of("POST", "/ai/assistants/a-1/chat", content="Hi").is_send


@pytest.mark.parametrize(
    "path", ["/messages/whatsapp", "/ai/assistants/a-1/chat/sms", "/ai/assistants/a-1/chat/whatsapp"]
)
def test_the_recipient_of_a_send_is_known(path: str) -> None:
    assert call_of("POST", path, to=NUMBER).recipient == NUMBER


def test_nothing_shown_of_a_call_bears_a_whole_number() -> None:
    call = call_of("PUT", f"/messaging/rcs/test_number_invite/agent/{NUMBER}")
    group = call_of("POST", "/messages/group_mms", to=[NUMBER, "+13125550002"])
    for text in (call.shown_path, group.shown_recipient, repr(group), repr(call_of("POST", "/messages", to=NUMBER))):
        assert "0001" not in text.replace("•••0001", "")
        assert NUMBER not in text


def test_recipients_of_a_group_are_the_same_in_any_order() -> None:
    one = call_of("POST", "/messages/group_mms", to=[NUMBER, "+13125550002"])
    other = call_of("POST", "/messages/group_mms", to=["+13125550002", NUMBER])
    assert one.target == other.target


def test_a_key_of_ours_is_its_own_name() -> None:
    ours = header_for("ab" * 32, 0)
    assert header_for(name_of_key(ours), 0) == ours
    assert header_for("ab" * 32, 1) != ours


def test_one_key_of_a_callers_is_another_effect_for_another_operation() -> None:
    assert name_of_key("order-1", "POST", "/messages") != name_of_key("order-2", "POST", "/messages")
    assert name_of_key("order-1", "POST", "/messages") != name_of_key("order-1", "POST", "/rcs/agents")


@pytest.mark.parametrize("path", ["/messages", "/rcs/agents", "/messaging_hosted_number_orders", "/email_messages"])
def test_a_callers_own_key_arrives_at_every_operation(path: str) -> None:
    call = replace(call_of("POST", path), caller_key="order-17:a_b")
    assert key_header(call, "ab" * 32, 0) == "order-17:a_b"
    # After `events replay --again` the same key would bring back the answer of before.
    assert key_header(call, "ab" * 32, 1) == header_for("ab" * 32, 1)


def test_a_key_that_telnyx_would_refuse_arrives_as_a_digest() -> None:
    for key in ("order 17", "x" * 256, "ä"):
        assert key_header(replace(call_of("POST", "/messages"), caller_key=key), "ab" * 32, 0) == "rb-" + "ab" * 32


def test_an_empty_key_is_none() -> None:
    request = httpx.Request("POST", "https://api.telnyx.com/v2/messages", json={}, headers={"Idempotency-Key": ""})
    assert asyncio.run(read_call(request, "/v2")).caller_key is None


def test_without_a_key_of_the_callers_only_what_takes_one_bears_one() -> None:
    assert key_header(call_of("POST", "/messages"), "ab" * 32, 0) == "rb-" + "ab" * 32
    assert key_header(call_of("POST", "/rcs/agents"), "ab" * 32, 0) == "rb-" + "ab" * 32
    assert key_header(call_of("POST", "/messaging_hosted_number_orders"), "ab" * 32, 0) is None


def made(name: str, call: Call) -> Entry:
    return Entry(
        name=name,
        event_id="event",
        handler="handler",
        caller_key=False,
        method=call.method,
        path=call.path,
        recipient="",
        target=PLAIN.hide(call.target),
        content_type="",
        digest=PLAIN.hide(call.digest),
        state="done",
    )


def test_a_call_takes_the_entry_of_its_bytes_else_the_next_unused_one() -> None:
    hello, bye, hi = (call_of("POST", "/messages", to=NUMBER, text=text) for text in ("Hello", "Bye", "Hi"))
    entries = [made("hello", hello), made("bye", bye)]

    def chosen(call: Call, *used: str) -> str | None:
        entry = choose(entries, call, set(used))
        return None if entry is None else entry.name

    assert chosen(bye) == "bye"
    assert chosen(hello, "bye") == "hello"
    assert chosen(hi) == "hello"
    assert chosen(hi, "hello") == "bye"
    assert chosen(hello, "hello", "bye") is None
    assert chosen(call_of("POST", "/messages", to="+13125550002", text="Hello")) is None
    assert chosen(call_of("POST", "/messages/rcs", to=NUMBER, text="Hello")) is None
