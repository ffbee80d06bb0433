"""Envelopes and payloads: whatever Telnyx publishes is read, and nothing private is printed."""

from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.events import InvalidBody, Message, read_envelope, read_event

PAYLOADS = sorted((Path(__file__).parent / "payloads").glob("*.json"))


@pytest.mark.parametrize("path", PAYLOADS, ids=lambda path: path.stem)
def test_every_kept_body_is_an_event_of_the_type_that_its_name_says(path: Path) -> None:
    body = path.read_bytes()
    envelope = read_envelope(body)
    assert envelope.type == path.name.split("--")[0]
    event = read_event(envelope.identity, envelope.type, body, "webhook")
    if envelope.type.startswith("message."):
        Message.model_validate(event.payload)


def test_there_are_bodies_to_test_with() -> None:
    assert len(PAYLOADS) >= 8


@given(st.binary(max_size=300))
def test_arbitrary_bytes_are_an_object_or_refused(body: bytes) -> None:
    try:
        identity = read_envelope(body).identity
    except InvalidBody as error:
        identity = error.reason
    assert identity


@given(st.dictionaries(st.text(max_size=5), st.integers(-(2**63), 2**63), max_size=4), st.integers(1, 6))
def test_the_identity_of_content_depends_on_neither_order_nor_meta(content: dict[str, int], attempt: int) -> None:
    content.pop("meta", None)
    turned = dict(reversed(content.items()))
    first = read_envelope(orjson.dumps({**content, "meta": {"attempt": 1}}))
    second = read_envelope(orjson.dumps({"meta": {"attempt": attempt}, **turned}, option=orjson.OPT_INDENT_2))
    assert first.identity == second.identity


def test_a_message_prints_neither_its_text_nor_its_numbers() -> None:
    message = Message.model_validate(
        {"id": "m", "from": {"phone_number": "+13125550001"}, "to": "+13125550002", "text": "secret", "x": "secret"}
    )
    event = read_event("e", "message.received", orjson.dumps({"data": {"payload": {"text": "secret"}}}), "webhook")
    for text in (repr(message), str(message), repr(event), repr(message.to)):
        assert "secret" not in text
        assert "5550" not in text
    assert message.to[0].phone_number == "+13125550002"


def test_a_payload_that_does_not_fit_is_told_without_what_it_held() -> None:
    from pydantic import ValidationError

    with pytest.raises(ValidationError) as raised:
        Message.model_validate({"to": 5, "text": ["secret"]})
    assert "secret" not in str(raised.value)
