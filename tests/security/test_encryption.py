"""Sealing and hiding: what one key seals another does not open, and nothing tells what was sealed."""

import base64
import secrets

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.security.encryption import (
    PLAIN,
    EncryptionKey,
    MissingEncryptionKey,
    SealDamaged,
    Sealer,
    UnopenedText,
    is_sealed,
    parse_keys,
    place_of,
    sealer_of,
)
from service.security.numbers import NumberMatcher

ANN = "+13125550101"


def key() -> EncryptionKey:
    return EncryptionKey(secrets.token_bytes(32))


PLACE, OTHER = place_of("event", "e1", "body"), place_of("event", "e2", "body")
MARKS = ["sealed:", "clear:", "h:", "p:", "h:deadbeef:", "\x01", "\x01rb1", "\x02", "whatsapp:"]
TEXTS = st.one_of(
    st.text(max_size=60), st.builds(str.__add__, st.sampled_from(MARKS), st.text("0123456789abcdef:+\x01", max_size=40))
)


@given(content=st.one_of(st.binary(max_size=200), TEXTS.map(str.encode)))
def test_what_was_sealed_opens_under_any_of_the_keys(content: bytes) -> None:
    first, second = key(), key()
    sealed = Sealer((first,)).seal(content, PLACE)
    assert Sealer((second, first)).open(sealed, PLACE) == content
    assert Sealer((second, first)).open(Sealer((second,)).seal_alike(content, PLACE), PLACE) == content
    assert len(content) < 8 or content not in sealed


@given(text=TEXTS, one=st.sampled_from([PLAIN, Sealer((key(),))]))
def test_no_text_passes_for_a_sealed_one(text: str, one: Sealer) -> None:
    stored = one.seal_text(text, PLACE)
    opened = one.open_text(stored, PLACE)
    assert (opened, isinstance(opened, UnopenedText)) == (text, False)
    assert one.open_text(one.seal_text(stored, PLACE), PLACE) == stored, "nor does one that is quoted"
    content = text.encode()
    assert one.open(one.seal(content, PLACE), PLACE) == content
    assert is_sealed(one.seal(content, PLACE)) == one.active


@given(text=TEXTS, name=TEXTS)
def test_no_name_passes_for_a_hidden_one(text: str, name: str) -> None:
    assert PLAIN.hide(text).key is None
    assert PLAIN.hide(text).plain == text
    hidden = Sealer((key(),)).hide(text)
    assert (hidden.key is not None, hidden.plain) == (True, None)
    assert text == name or place_of("event", text, name) != place_of("event", name, text)


def test_what_was_never_sealed_is_left_as_it_is() -> None:
    body = b'{"data":{}}'
    assert (PLAIN.seal(body, PLACE), PLAIN.open(body, PLACE), Sealer((key(),)).open(body, PLACE)) == (body, body, body)
    assert (PLAIN.seal_text("why", PLACE), PLAIN.open_text("why", PLACE)) == ("why", "why")
    assert (PLAIN.forms(ANN), PLAIN.hide(ANN)) == ((f"p:{ANN}",), f"p:{ANN}")


@pytest.mark.parametrize("sealer", [PLAIN, Sealer((key(),))], ids=["no key", "another key"])
def test_without_its_key_it_stays_sealed_and_says_which_is_missing(sealer: Sealer) -> None:
    missing = key()
    with pytest.raises(MissingEncryptionKey, match=missing.name):
        sealer.open(Sealer((missing,)).seal(b"text", PLACE), PLACE)
    assert missing.name in sealer.open_text(Sealer((missing,)).seal_text("text", PLACE), PLACE)


@given(at=st.integers(5, 48), bit=st.integers(0, 7))
def test_what_was_tampered_with_is_damaged_and_no_key_is_missing(at: int, bit: int) -> None:
    sealer = Sealer((key(),))
    sealed = bytearray(sealer.seal(b"text", PLACE))
    sealed[at] ^= 1 << bit
    with pytest.raises(SealDamaged):
        sealer.open(bytes(sealed), PLACE)


@pytest.mark.parametrize("left", range(45))
def test_what_was_cut_short_is_damaged(left: int) -> None:
    sealer = Sealer((key(),))
    sealed = sealer.seal(b"", PLACE)[:left]
    if not sealed:
        return
    with pytest.raises((SealDamaged, MissingEncryptionKey)):
        sealer.open(sealed, PLACE)


def test_what_was_moved_to_another_place_is_damaged() -> None:
    sealer = Sealer((key(), key()))
    with pytest.raises(SealDamaged):
        sealer.open(sealer.seal(b"text", PLACE), OTHER)
    moved = sealer.open_text(sealer.seal_text("text", PLACE), OTHER)
    assert isinstance(moved, UnopenedText)
    assert "damaged" in moved


def test_a_text_whose_key_is_away_survives_being_stored_again() -> None:
    one, other = Sealer((key(),)), Sealer((key(),))
    stored = one.seal_text("422: no such number", PLACE)
    seen_without_its_key = other.open_text(stored, PLACE)
    assert one.open_text(other.seal_text(seen_without_its_key, PLACE), PLACE) == "422: no such number"


def test_equal_contents_are_sealed_alike_only_where_that_is_wanted() -> None:
    sealer = Sealer((key(),))
    assert sealer.seal(b"x", PLACE) != sealer.seal(b"x", PLACE)
    assert sealer.seal_alike(b"x", PLACE) == sealer.seal_alike(b"x", PLACE) != sealer.seal_alike(b"y", PLACE)
    assert sealer.seal_alike(b"x", PLACE) != sealer.seal_alike(b"x", OTHER)


def test_a_number_is_hidden_under_each_key_and_the_first_counts() -> None:
    new, old = key(), key()
    sealer = Sealer((new, old))
    assert sealer.forms(ANN) == (new.hidden(ANN), old.hidden(ANN), f"p:{ANN}")
    assert sealer.hide(ANN) == new.hidden(ANN) != new.hidden(ANN + "0")
    assert sealer.hide(ANN).key == new.name != old.name
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
    assert NumberMatcher.of(ANN).within(content)


@pytest.mark.parametrize(
    "content", [None, b"{}", b'{"text":"+131255501011"}', b'{"text":"913125550101"}', b'{"text":"312 555 0101"}']
)
def test_another_number_is_not_taken_for_it(content: bytes | None) -> None:
    assert not NumberMatcher.of(ANN).within(content)
