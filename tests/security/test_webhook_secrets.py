"""The secrets by which a receiver of forwarded events knows who sent a body."""

import base64

import pytest

from service.security.standard_webhooks import Secret, headers, message_id


@pytest.mark.parametrize("size", [24, 64])
def test_a_secret_is_read_with_and_without_its_prefix_and_padding(size: int) -> None:
    key = bytes(range(size))
    encoded = base64.b64encode(key).decode()
    for text in (encoded, f" whsec_{encoded}\n", encoded.rstrip("=")):
        assert Secret.parse(text).key == key


@pytest.mark.parametrize(
    ("text", "told"), [("*", "give whsec_"), (base64.b64encode(bytes(23)).decode(), "has 23"), ("A" * 88, "has 66")]
)
def test_a_secret_that_does_not_fit_is_told(text: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        Secret.parse(text)


def test_a_body_is_signed_by_each_secret_under_an_id_that_fits() -> None:
    first, second = Secret(b"a" * 24), Secret(b"b" * 24)
    made = headers("event.1", 7, b"{}", (first, second))
    identity = message_id("event.1")
    assert identity.startswith("sha256:")
    assert message_id("x" * 128) == "x" * 128
    assert message_id("x" * 129) != "x" * 129
    assert made["webhook-signature"] == f"{first.sign(identity, 7, b'{}')} {second.sign(identity, 7, b'{}')}"
    assert first.sign(identity, 7, b"{}").startswith("v1,")
    assert headers("one", 7, b"{}", ()) == {"webhook-id": "one", "webhook-timestamp": "7"}
