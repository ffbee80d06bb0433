"""What a request is taken to be."""

import asyncio
from typing import Any

import httpx
import pytest

from service.outbound.journal import choose
from service.outbound.operations import Call, header_for, name_of_key, read_call
from service.store.ledger import Entry

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
        ("/messages/whatsapp", {"to": NUMBER}, None),
        ("/messaging_hosted_number_orders", {"phone_numbers": [NUMBER]}, None),
    ],
)
def test_a_send_counts_against_the_limits_of_its_product(path: str, body: dict[str, Any], product: str | None) -> None:
    call = call_of("POST", path, **body)
    assert call.product == product
    assert call.keyed == path.startswith("/messages")


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


def test_a_key_of_ours_is_its_own_header_and_any_other_is_digested() -> None:
    ours = header_for("ab" * 32, 0)
    assert header_for(name_of_key(ours), 0) == ours
    assert header_for(name_of_key("order 1"), 0) != header_for(name_of_key("order 2"), 0)
    assert len(header_for(name_of_key("x" * 1000), 3)) == 67
    assert header_for("ab" * 32, 1) != ours


def made(name: str, call: Call) -> Entry:
    return Entry(
        name=name,
        event_id="event",
        handler="handler",
        own_key=False,
        method=call.method,
        path=call.path,
        recipient="",
        target=call.target,
        content_type="",
        digest=call.digest,
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
