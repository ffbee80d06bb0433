"""What a signed body may hold: any JSON, with the strings and numbers that Python and Redis cannot keep replaced."""

import contextlib
import json
import time
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.events.event import parse_json
from service.security.numbers import NumberMatcher

ANY_TEXT = st.text(st.characters())  # surrogates too, which `st.text()` leaves out
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(ANY_TEXT, inner, max_size=4),
    max_leaves=20,
)


def replaced(value: Any) -> Any:
    """The value with U+FFFD for each lone surrogate, in the manner of the standard library."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        return {replaced(name): replaced(each) for name, each in value.items()}
    return [replaced(each) for each in value] if isinstance(value, list) else value


@given(ANY_JSON)
def test_any_json_is_read_with_lone_surrogates_replaced(value: Any) -> None:
    body = json.dumps(value).encode()
    read = parse_json(body)

    assert read == replaced(json.loads(body))
    orjson.dumps(read)


@given(ANY_JSON)
def test_a_byte_order_mark_changes_nothing(value: Any) -> None:
    body = json.dumps(value).encode()
    assert parse_json(b"\xef\xbb\xbf" + body) == parse_json(body)


@given(st.binary(max_size=60) | ANY_TEXT.map(lambda text: text.encode(errors="replace")))
def test_what_the_strict_parser_reads_is_read_alike_and_the_rest_is_one_kind_of_error(body: bytes) -> None:
    try:
        expected = orjson.loads(body)
    except orjson.JSONDecodeError:
        try:
            parse_json(body)
        except ValueError:
            return
        assert b"\\u" in body or b"\xef\xbb\xbf" in body or any(map(str.isdigit, body.decode(errors="replace")))
    else:
        assert parse_json(body) == expected


@pytest.mark.parametrize("number", ["1" * 400, "9" * 5000, "1e999", "1.5E+400"])
def test_numbers_beyond_a_double_become_the_largest_one(number: str) -> None:
    read = parse_json(f'{{"a": [{number}, -{number}], "b": "1e999"}}'.encode())
    assert read == {"a": [1.7976931348623157e308, -1.7976931348623157e308], "b": "1e999"}


@pytest.mark.parametrize(
    "body", [b'"\\ud800', b"[NaN]", b"[1e999, Infinity]", b'"\\ud800" x', b"[01e999]", b"[1e999.5]", b'"\\uD8"', b""]
)
def test_what_is_not_json_stays_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_json(body)


def test_replacing_takes_time_in_proportion_to_the_body() -> None:
    began = time.perf_counter()
    for body in (b'"' + b'\\"' * 500_000, b'"\\ud800' * 150_000, b"1" * 1_000_000, b"-" * 1_000_000):
        with contextlib.suppress(ValueError):
            parse_json(body)
    assert time.perf_counter() - began < 5


def test_a_number_is_found_in_a_body_with_surrogates() -> None:
    assert NumberMatcher.of("+13125550111").within(b'{"a": "\\ud800", "to": "\\u002b1 312 555 0111"}')
