"""The signature, without any I/O."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nacl.signing import SigningKey

from service.security.telnyx_signature import InvalidSignature, PublicKey, public_key_text, read_signature_headers, sign

KEY = SigningKey(b"\x01" * 32)
PUBLIC = PublicKey.parse(public_key_text(KEY))
NOW = 1_700_000_000


def raw(headers: dict[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.encode(), value.encode()) for name, value in headers.items()]


def verify(body: bytes, headers: list[tuple[bytes, bytes]], keys: list[PublicKey], now: float) -> PublicKey:
    return read_signature_headers(headers, now).prove(body, keys)


@given(st.binary(max_size=2000), st.integers(-300, 300))
def test_whatever_is_signed_is_verified_and_names_its_key(body: bytes, age: int) -> None:
    assert verify(body, raw(sign(body, KEY, NOW - age)), [PUBLIC], NOW) == PUBLIC


@given(st.binary(min_size=1, max_size=200), st.data())
def test_a_flipped_bit_anywhere_is_refused(body: bytes, data: st.DataObject) -> None:
    headers = raw(sign(body, KEY, NOW))
    place = data.draw(st.integers(0, len(body) * 8 - 1))
    broken = bytearray(body)
    broken[place // 8] ^= 1 << place % 8
    with pytest.raises(InvalidSignature, match="does not match"):
        verify(bytes(broken), headers, [PUBLIC], NOW)


@given(st.lists(st.tuples(st.binary(max_size=40), st.binary(max_size=120)), max_size=6))
def test_arbitrary_headers_are_refused_with_a_reason_and_never_crash(headers: list[tuple[bytes, bytes]]) -> None:
    with pytest.raises(InvalidSignature) as refused:
        verify(b"{}", headers, [PUBLIC], NOW)
    assert refused.value.reason


def test_header_names_are_compared_without_case() -> None:
    headers = [(name.upper(), value) for name, value in raw(sign(b"{}", KEY, NOW))]
    assert verify(b"{}", headers, [PUBLIC], NOW) == PUBLIC


def test_the_tolerance_counts_whole_seconds() -> None:
    headers = raw(sign(b"{}", KEY, NOW))
    assert verify(b"{}", headers, [PUBLIC], NOW + 300.999) == PUBLIC
    with pytest.raises(InvalidSignature, match="tolerance"):
        verify(b"{}", headers, [PUBLIC], NOW + 301)


@pytest.mark.parametrize("text", ["", "AAAA", "*" * 44, public_key_text(KEY)[:-4]])
def test_a_public_key_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="public key"):
        PublicKey.parse(text)
