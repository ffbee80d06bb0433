"""Secrets of Standard Webhooks: which ones are keys."""

import base64

import pytest

from service.security.standard_webhooks import Secret


@pytest.mark.parametrize("length", [24, 25, 63, 64])
def test_a_secret_of_24_to_64_bytes_is_a_key(length: int) -> None:
    key = bytes(range(length))
    assert Secret.parse("whsec_" + base64.b64encode(key).decode().rstrip("=")).key == key


@pytest.mark.parametrize("length", [0, 23, 65])
def test_a_shorter_or_longer_one_is_refused(length: int) -> None:
    with pytest.raises(ValueError, match="24 to 64 random bytes"):
        Secret.parse("whsec_" + base64.b64encode(bytes(length)).decode())


def test_what_is_no_base64_is_refused_without_its_text() -> None:
    with pytest.raises(ValueError, match="give whsec_") as refused:
        Secret.parse("whsec_" + "?" * 32)
    assert "???" not in str(refused.value)
