"""Sealing and hiding: what one key seals another does not open, and nothing tells what was sealed."""

import base64
import secrets

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.mentions import Mention
from service.sealing import PLAIN, EncryptionKey, Sealed, Sealer, key_of_form, parse_keys, sealer_of

ANN = "+13125550101"


def key() -> EncryptionKey:
    return EncryptionKey(secrets.token_bytes(32))


@given(content=st.binary(max_size=200))
def test_what_was_sealed_opens_under_any_of_the_keys(content: bytes) -> None:
    first, second = key(), key()
    sealed = Sealer((first,)).seal(content)
    assert Sealer((second, first)).open(sealed) == content
    assert Sealer((second, first)).open(Sealer((second,)).seal_alike(content)) == content
    assert len(content) < 8 or content not in sealed


def test_what_was_never_sealed_is_left_as_it_is() -> None:
    body = b'{"data":{}}'
    assert (PLAIN.seal(body), PLAIN.open(body), Sealer((key(),)).open(body)) == (body, body, body)
    assert (PLAIN.seal_text("why"), PLAIN.open_text("why"), PLAIN.forms(ANN), PLAIN.hide(ANN)) == (
        "why",
        "why",
        (ANN,),
        ANN,
    )


@pytest.mark.parametrize("sealer", [PLAIN, Sealer((key(),))], ids=["no key", "another key"])
def test_without_its_key_it_stays_sealed_and_says_which_is_missing(sealer: Sealer) -> None:
    missing = key()
    with pytest.raises(Sealed, match=missing.name):
        sealer.open(Sealer((missing,)).seal(b"text"))


def test_what_was_tampered_with_is_not_opened() -> None:
    sealer = Sealer((key(),))
    sealed = sealer.seal(b"text")
    with pytest.raises(Sealed):
        sealer.open(sealed[:-1] + bytes([sealed[-1] ^ 1]))


def test_a_text_whose_key_is_away_survives_being_stored_again() -> None:
    one, other = Sealer((key(),)), Sealer((key(),))
    stored = one.seal_text("422: no such number")
    seen_without_its_key = other.open_text(stored)
    assert one.open_text(other.seal_text(seen_without_its_key)) == "422: no such number"


def test_equal_contents_are_sealed_alike_only_where_that_is_wanted() -> None:
    sealer = Sealer((key(),))
    assert sealer.seal(b"x") != sealer.seal(b"x")
    assert sealer.seal_alike(b"x") == sealer.seal_alike(b"x") != sealer.seal_alike(b"y")


def test_a_number_is_hidden_under_each_key_and_the_first_counts() -> None:
    new, old = key(), key()
    sealer = Sealer((new, old))
    assert sealer.forms(ANN) == (new.hidden(ANN), old.hidden(ANN), ANN)
    assert sealer.hide(ANN) == new.hidden(ANN) != new.hidden(ANN + "0")
    assert key_of_form(sealer.hide(ANN)) == new.name != old.name
    assert key_of_form(ANN) is None
    assert ANN[1:] not in sealer.hide(ANN)


def test_nothing_of_a_key_is_shown() -> None:
    secret = secrets.token_bytes(32)
    shown = repr(Sealer((EncryptionKey(secret),))) + EncryptionKey(secret).name
    assert secret.hex()[:8] not in shown
    assert repr(secret)[2:10] not in shown


def test_keys_are_read_with_blanks_around_them_and_the_sealer_is_made_once() -> None:
    texts = [base64.b64encode(secrets.token_bytes(32)).decode() for _ in range(2)]
    both = " , ".join(texts)
    assert [each.secret for each in parse_keys(both)] == [base64.b64decode(each) for each in texts]
    assert sealer_of(both) is sealer_of(both)


@pytest.mark.parametrize("text", ["", "x", "YWJj", ",", "é", base64.b64encode(bytes(31)).decode()])
def test_a_malformed_key_is_refused(text: str) -> None:
    good = base64.b64encode(bytes(32)).decode()
    for given_ in (text, f"{good},{text}"):
        with pytest.raises(ValueError, match="base64 of 32"):
            parse_keys(given_)


@pytest.mark.parametrize(
    "content",
    [
        b'{"to":[{"phone_number":"+13125550101"}]}',
        b'{"text":"call +1 (312) 555-0101, please"}',
        b'{"text":"\\u002b1312\\u0035550101"}',
        b'{"text":"0013125550101"}',
        b'{"13125550101":true}',
        b'{"n":13125550101}',
        b"--part\r\n\r\n+13125550101\r\n--part--",
    ],
)
def test_a_number_is_found_however_it_is_written(content: bytes) -> None:
    assert Mention.of(ANN).within(content)


@pytest.mark.parametrize(
    "content", [None, b"{}", b'{"text":"+131255501011"}', b'{"text":"913125550101"}', b'{"text":"312 555 0101"}']
)
def test_another_number_is_not_taken_for_it(content: bytes | None) -> None:
    assert not Mention.of(ANN).within(content)
