"""Seals of values and forms of numbers, at the borders of what they hold."""

import base64

import pytest

from service.security.encryption import EncryptionKey, MissingEncryptionKey, SealDamaged, Sealer, UnopenedText, place_of

KEY, OTHER = EncryptionKey(b"k" * 32), EncryptionKey(b"o" * 32)
PLACE = place_of("event", "one", "body")


def test_a_seal_that_is_cut_short_or_altered_is_damaged_and_one_of_another_key_names_it() -> None:
    sealer, sealed = Sealer((KEY,)), Sealer((KEY,)).seal(b"text", PLACE)
    assert sealer.open(sealed, PLACE) == b"text"
    assert Sealer((OTHER, KEY)).open(sealed, PLACE) == b"text"
    for damaged in (
        sealed[:-1],
        sealed[:4],
        sealed[:5],
        sealed[:29],
        sealed[:44],
        sealed[:-1] + bytes([sealed[-1] ^ 1]),
    ):
        with pytest.raises(SealDamaged):
            sealer.open(damaged, PLACE)
    with pytest.raises(SealDamaged):
        sealer.open(sealed, place_of("event", "two", "body"))
    with pytest.raises(MissingEncryptionKey) as missing:
        Sealer((OTHER,)).open(sealed, PLACE)
    assert missing.value.key == KEY.name
    with pytest.raises(SealDamaged):
        Sealer((OTHER,)).open(sealed[:4], PLACE)
    with pytest.raises(MissingEncryptionKey):
        Sealer((OTHER,)).open(sealed[:5], PLACE)


def test_a_sealed_text_that_cannot_be_opened_keeps_its_stored_form() -> None:
    sealer = Sealer((KEY,))
    stored = sealer.seal_text("text", PLACE)
    assert sealer.open_text(stored, PLACE) == "text"
    not_utf8 = "sealed:" + base64.b64encode(sealer.seal(b"\xff", PLACE)).decode()
    for odd in (not_utf8, "sealed:*", "sealed:" + base64.b64encode(b"plain").decode(), f"{stored}x"):
        told = sealer.open_text(odd, PLACE)
        assert isinstance(told, UnopenedText)
        assert "damaged" in told
        assert sealer.seal_text(told, PLACE) == odd
    missing = Sealer((OTHER,)).open_text(stored, PLACE)
    assert isinstance(missing, UnopenedText)
    assert KEY.name in missing


def test_foreign_texts_cannot_pass_for_sealed_ones() -> None:
    plain, sealer = Sealer(), Sealer((KEY,))
    for content in (b"\x01x", b"\x02x", b"x", b""):
        stored = plain.seal(content, PLACE)
        assert plain.open(stored, PLACE) == sealer.open(stored, PLACE) == content
        assert stored[:1] != b"\x01"
    for text in ("sealed:x", "clear:x", "x", ""):
        assert plain.open_text(plain.seal_text(text, PLACE), PLACE) == text
    assert sealer.seal_text("", PLACE) == ""
    assert sealer.seal_alike(b"x", PLACE) == sealer.seal_alike(b"x", PLACE) != sealer.seal(b"x", PLACE)
    assert plain.seal_alike(b"x", PLACE) == b"x"
    assert (sealer.active, plain.active, sealer.names, plain.names) == (True, False, (KEY.name,), ())


def test_forms_say_what_they_hide() -> None:
    both = Sealer((KEY, OTHER)).forms("+13125550142")
    assert [each.key for each in both] == [KEY.name, OTHER.name, None]
    assert [each.plain for each in both] == [None, None, "+13125550142"]
    assert Sealer().hide("x") == "p:x"
    assert Sealer((KEY, OTHER)).hide("x").startswith(f"h:{KEY.name}:")
    assert len(Sealer((KEY,)).brief(b"x", 4)) == len(Sealer().brief(b"x", 4)) == 4


@pytest.mark.parametrize("text", ["*", base64.b64encode(bytes(31)).decode(), base64.b64encode(bytes(33)).decode()])
def test_a_key_that_does_not_fit_is_told(text: str) -> None:
    with pytest.raises(ValueError, match="each key must be base64 of 32 random bytes"):
        EncryptionKey.parse(text)
    assert EncryptionKey.parse(f" {base64.b64encode(b'k' * 32).decode()} ") == KEY
