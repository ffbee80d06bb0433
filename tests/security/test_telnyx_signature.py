"""The signature, without any I/O."""

import base64
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nacl.signing import SigningKey

from service.security.telnyx_signature import (
    SIGNATURE_HEADER,
    TIMESTAMP_HEADER,
    InvalidSignature,
    PublicKey,
    public_key_text,
    read_signature_headers,
    sign,
)

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


def of(length: int) -> str:
    return base64.b64encode(bytes(length)).decode()


@pytest.mark.parametrize(
    ("signature", "timestamp", "reason"),
    [
        ("*" + of(64)[1:], str(NOW), "signature is not base64"),
        (of(64)[:40] + "\t" + of(64)[40:], str(NOW), "signature is not base64"),
        (of(64) + "AAAA", str(NOW), "signature is not base64"),
        (of(64).rstrip("="), str(NOW), "signature is not base64"),
        (of(63), str(NOW), "signature is not 64 bytes long"),
        (of(65), str(NOW), "signature is not 64 bytes long"),
        (of(64), f"{NOW}a", "timestamp is not plain digits"),
        (of(64), f"-{NOW}", "timestamp is not plain digits"),
        (of(64), "", "timestamp is not plain digits"),
        (of(64), f"{NOW:017}", "timestamp is not plain digits"),
        (of(64), str(NOW + 301), "timestamp is beyond the tolerance"),
        (of(64), str(NOW - 301), "timestamp is beyond the tolerance"),
    ],
)
def test_malformed_headers_are_refused_before_the_body_is_read(signature: str, timestamp: str, reason: str) -> None:
    with pytest.raises(InvalidSignature) as refused:
        read_signature_headers(raw({SIGNATURE_HEADER: signature, TIMESTAMP_HEADER: timestamp}), NOW)
    assert refused.value.reason == reason


@pytest.mark.parametrize("timestamp", [str(NOW + 300), str(NOW - 300), f"{NOW:016}"])
def test_headers_at_the_limits_are_read(timestamp: str) -> None:
    headers = {SIGNATURE_HEADER: of(64), TIMESTAMP_HEADER: timestamp}
    assert read_signature_headers(raw(headers), NOW).headers == headers


@pytest.mark.parametrize("name", [SIGNATURE_HEADER, TIMESTAMP_HEADER])
def test_a_header_that_is_missing_or_twice_is_refused(name: str) -> None:
    headers = raw(sign(b"{}", KEY, NOW))
    with pytest.raises(InvalidSignature, match=f"{name} header missing"):
        read_signature_headers([each for each in headers if each[0] != name.encode()], NOW)
    with pytest.raises(InvalidSignature, match=f"{name} header sent twice"):
        read_signature_headers([*headers, (name.title().encode(), b"1")], NOW)


def test_any_of_several_keys_fits() -> None:
    other = PublicKey.parse(public_key_text(SigningKey(b"\x02" * 32)))
    for keys in ([PUBLIC, other], [other, PUBLIC]):
        assert verify(b"{}", raw(sign(b"{}", KEY, NOW)), keys, NOW) == PUBLIC
    assert PUBLIC.fingerprint != other.fingerprint
    assert PublicKey.parse(public_key_text(KEY)).fingerprint == hashlib.sha256(bytes(KEY.verify_key)).hexdigest()[:8]


@pytest.mark.parametrize("text", ["", "AAAA", "*" * 44, public_key_text(KEY)[:-4], "*" + public_key_text(KEY)])
def test_a_public_key_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="public key"):
        PublicKey.parse(text)
