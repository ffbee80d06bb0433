"""Envelopes and payloads: whatever Telnyx publishes is read, and nothing private is printed."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.events import (
    HostedNumberOrder,
    InvalidBody,
    Message,
    TenDlcUpdate,
    TolerantModel,
    TollFreeUpdate,
    read_envelope,
    read_event,
    read_time,
)
from service.testing.samples import cases, sample
from tests.handlers.odd_webhooks import odd_webhooks

MODELS: dict[str, type[TolerantModel]] = {
    "message.": Message,
    "messaging_hosted_numbers_orders.": HostedNumberOrder,
    "10dlc.": TenDlcUpdate,
    "toll_free_verification.": TollFreeUpdate,
    "verification_request.": TollFreeUpdate,
}


def parsed(name: str) -> Any:
    """The payload of a sample, in its model (or a dict where there is none)."""
    body = json.dumps(sample(name)).encode()
    envelope = read_envelope(body)
    payload = read_event(envelope.identity, envelope.type, body, "webhook").payload
    model = next((each for prefix, each in MODELS.items() if envelope.type.startswith(prefix)), None)
    return model.model_validate(payload) if model else payload


@pytest.mark.parametrize("name", cases())
def test_every_sample_is_an_event_and_fits_its_model(name: str) -> None:
    assert parsed(name)


@pytest.mark.parametrize("name", ["10dlc.campaign.dormant-flat", "10dlc.campaign.failed"])
def test_both_forms_of_a_campaign_update_are_read(name: str) -> None:
    update = parsed(name)
    assert all((update.campaign_id, update.type, update.status))


def test_reasons_are_objects_or_plain_texts() -> None:
    assert [each.fields for each in parsed("10dlc.campaign.failed").reasons] == [["sample1"]]
    plain = parsed("10dlc.brand.rejected-with-plain-reasons")
    assert [each.description for each in plain.reasons] == ["name does not match"]


def test_a_hosted_order_is_read_under_its_older_names_too() -> None:
    order = parsed("hosted.older-names")
    assert (bool(order.order_id), order.order_status, order.decision) == (True, "ownership_successful", "approved")
    assert [bool(number.phone_number) for number in order.numbers] == [True]
    due = parsed("hosted.internal-transfer").approval_deadline - datetime.now(UTC)
    assert timedelta(hours=71) < due <= timedelta(hours=72)


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("tollfree.rejected", "rejected"),
        ("tollfree.waiting-for-customer-as-request", "Waiting For Customer"),
    ],
)
def test_a_toll_free_update_names_its_request_however_it_is_written(name: str, status: str) -> None:
    update = parsed(name)
    assert (bool(update.id), update.status, bool(update.reason)) == (True, status, True)


def test_what_telnyx_adds_is_kept_and_what_it_leaves_out_is_optional() -> None:
    message = parsed("rcs.unknown-values")
    assert (message.type, message.to[0].status, message.errors[0].code) == ("HOLOGRAM", "teleported", "40008")
    assert message.model_extra["new_field"] == {"a": [1]}
    assert (message.tags, message.completed_at) == ([], None)
    assert Message.model_validate({}).to == []


def test_the_words_of_a_message_are_found_wherever_its_kind_keeps_them() -> None:
    assert parsed("whatsapp.received").said == "Are you open on Sundays?"
    assert parsed("rcs.received").said == "Are you open on Sundays?"
    assert parsed("rcs.received-file").said is None


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("2026-10-02T12:00:00.000Z", datetime(2026, 10, 2, 12, tzinfo=UTC)),
        ("2026-10-02T14:00:00+02:00", datetime(2026, 10, 2, 12, tzinfo=UTC)),
        ("2026-10-02 12:00:00.000000", datetime(2026, 10, 2, 12, tzinfo=UTC)),
        (1790942400, datetime(2026, 10, 2, 12, tzinfo=UTC)),
        ("", None),
        ("soon", None),
        (None, None),
        (1e30, None),
    ],
)
def test_times_are_read_in_the_forms_that_telnyx_uses(text: object, read: datetime | None) -> None:
    assert read_time(text) == read


def test_a_deadline_may_be_a_text_of_seconds_or_milliseconds() -> None:
    moment = datetime(2026, 10, 2, 12, tzinfo=UTC)
    assert [read_time(each) for each in ("1790942400", 1790942400000, "1790942400000")] == [moment] * 3
    assert read_time(value=True) is None


ODD: list[Any] = [
    None,
    True,
    5,
    1.5,
    "x",
    "",
    [],
    ["x"],
    [None],
    [5],
    {},
    {"a": "b"},
    [{"a": None}],
    [[]],
    {"phone_number": [1]},
]


@pytest.mark.parametrize("model", [HostedNumberOrder, TenDlcUpdate, TollFreeUpdate])
@pytest.mark.parametrize("odd", ODD, ids=repr)
def test_a_field_of_another_shape_hides_none_of_the_others(model: type[TolerantModel], odd: object) -> None:
    names = {"HostedNumberOrder": "order_id", "TenDlcUpdate": "campaignId", "TollFreeUpdate": "id"}
    needed = names[model.__name__]
    others = {"numbers", "decision", "status", "reasons", "reason", "approval_deadline", "profile_id", "fields", "type"}
    for other in others:
        read = model.model_validate({needed: "o-1", other: odd})
        assert "o-1" in read.model_dump().values(), other


@pytest.mark.parametrize("odd", ODD, ids=repr)
def test_of_a_message_only_what_says_which_and_whose_it_is_must_fit(odd: object) -> None:
    whole = {"id": "m", "direction": "inbound", "type": "SMS", "from": "+13125550101", "to": "+13125550199"}
    for other in ("subject", "media", "body", "errors", "tags", "received_at", "text", "autoresponse_type"):
        message = Message.model_validate({**whole, other: odd})
        assert (message.from_.phone_number, message.to[0].phone_number) == ("+13125550101", "+13125550199")


def test_of_a_list_that_holds_something_odd_the_rest_is_read() -> None:
    message = Message.model_validate({"errors": [40008, None, "why"], "tags": ["a", None, 5], "body": "STOP"})
    assert [(each.code, each.detail) for each in message.errors] == [("40008", None), (None, "why")]
    assert (message.tags, message.said) == (["a"], "STOP")
    media = Message.model_validate({"media": [{"url": "https://x", "size": {"bytes": 5}}]}).media
    assert [(each.url, each.size) for each in media] == [("https://x", None)]


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


@pytest.mark.parametrize("kind", [["DELETION"], {"DELETION": 1}, 1, None, True])
def test_a_flat_update_of_an_odd_type_is_still_an_event(kind: object) -> None:
    body = orjson.dumps({"phoneNumber": "+13125550188", "campaignId": "X", "type": kind})
    assert read_envelope(body).type == "10dlc.campaign.update"


@settings(derandomize=True, max_examples=100, database=None, suppress_health_check=list(HealthCheck))
@given(odd_webhooks())
def test_a_webhook_with_any_odd_fields_is_an_event(body: bytes) -> None:
    assert read_envelope(body).type
