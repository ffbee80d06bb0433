"""What of a body others may see, value by value."""

from typing import Any

import pytest

from service.security.anonymize import HIDDEN, Anonymizer, masked
from tests.telnyx_events import fresh_number

NUMBER = fresh_number()
UUID = "40385f64-5717-4562-b3fc-2c963f66afa6"


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("text", "Hello", HIDDEN),
        ("text", "", ""),
        ("text", True, True),
        ("text", False, False),
        ("text", None, None),
        ("text", 123456, 123456),
        ("text", 1234567, 0),
        ("text", 12.5, 12.5),
        ("text", 123456.7, 0),
        ("code", 1234567, 1234567),
        ("foreign_id", 1234567, 0),
        ("foreign_id", "x", HIDDEN),
        ("foreign_id", "", ""),
        ("latitude", 51.507, 0),
        ("longitude", -1, 0),
        ("latitude", "51.507", HIDDEN),
        ("text", UUID, UUID),
        ("text", f"x{UUID}", HIDDEN),
        ("text", "2026-09-21T14:13:20.000Z", "2026-09-21T14:13:20.000Z"),
        ("text", "sha256:" + "0a" * 32, "sha256:" + "0a" * 32),
        ("from_user_id", "abc", HIDDEN),
        ("status", "delivered", "delivered"),
        ("status", "two words", "two words"),
        ("status", "odd\nline", HIDDEN),
        ("status", "x" * 128, "x" * 128),
        ("status", "x" * 129, HIDDEN),
        ("delivery_status", "sent", "sent"),
        ("verificationStatus", "Verified", "Verified"),
        ("statuses", "sent", HIDDEN),
        ("status", "US.13491208655302741918", HIDDEN),
    ],
)
def test_a_value_stays_only_where_its_field_and_its_form_are_harmless(name: str, value: Any, shown: Any) -> None:
    found = masked({name: value})[name]
    assert (found, type(found)) == (shown, type(shown))
    assert masked({name: [value, {name: value}]}) == {name: [shown, {name: shown}]}


@pytest.mark.parametrize(
    ("key", "shown"),
    [
        ("status", "status"),
        ("a.b_c:d$e@f/g-h", "a.b_c:d$e@f/g-h"),
        ("two words", HIDDEN),
        ("x" * 129, HIDDEN),
        ("", ""),
    ],
)
def test_a_name_of_a_field_stays_unless_a_person_may_have_written_it(key: str, shown: str) -> None:
    assert masked({key: 1}) == {shown: 1}


def test_numbers_are_masked_wherever_they_stand() -> None:
    body = masked({"to": NUMBER, "status": f"to {NUMBER}", NUMBER: 1, "text": f"call {NUMBER}"})
    assert NUMBER not in str(body)
    assert body["text"] == HIDDEN
    assert body["status"].startswith("to +")
    assert body["to"].startswith(NUMBER[:3])


def test_an_anonymous_body_has_the_same_lengths_and_the_same_number_for_each() -> None:
    anonymizer = Anonymizer(b"secret")
    body = anonymizer.content({"to": NUMBER, "text": "Hello", "status": f"to {NUMBER}", NUMBER: "a b"})
    other = anonymizer.number(NUMBER)
    assert other.startswith("+999")
    assert len(other) == 16
    assert body == {"to": other, "text": "xxxxx", "status": f"to {other}", other: "xxx"}
    assert anonymizer.number(f" {NUMBER[:5]} {NUMBER[5:]}") == other
    assert Anonymizer(b"other").number(NUMBER) != other
    assert Anonymizer().number(NUMBER) != Anonymizer().number(NUMBER)


def test_a_name_keeps_all_but_its_numbers() -> None:
    anonymizer = Anonymizer(b"secret")
    assert anonymizer.name(UUID) == UUID
    assert anonymizer.name(f"reply to {NUMBER}") == f"reply to {anonymizer.number(NUMBER)}"
    assert anonymizer.name("wamid.HBgLMTMxMjU1NTAxMTAVAgASGBQzQTAwMDAwMDAwMDAwMDAwMDAwMAA") == "x" * 61
