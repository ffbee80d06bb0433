"""Texts as others may see them, at the borders of each rule."""

import base64

import pytest

from service.security import masking
from service.security.masking import (
    gives_away,
    is_authors,
    is_user_id,
    mask_e164,
    mask_ids,
    mask_number,
    mask_numbers,
    place,
    plain_word,
    printable_json,
    printable_lines,
    replace_numbers,
    shown_type,
)

USER = "US.13491208655302741918"
UUID = "12345678-1234-4234-8234-123456789012"


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("12345678", "•••78"),
        ("123456789", "12345•••6789"),
        ("a@b@example.com", "•••@example.com"),
        (USER, "US.•••1918"),
        ("US.1234", "•••34"),
        ("US.12345", "•••45"),
        ("US.123456", "US.•••3456"),
    ],
)
def test_an_address_keeps_its_ends(text: str, masked: str) -> None:
    assert mask_number(text) == masked


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("123456", "123456"),
        ("1234567", "•••67"),
        ("12 34-5.6", "12 34-5.6"),
        ("12 34-5.67", "•••67"),
        ("+123456789", "+1234•••6789"),
        (f"id {UUID}", f"id {UUID}"),
        (f"x{UUID}", f"x{UUID}"),
        ("2026-11-22", "2026-11-22"),
        ("2026-11-2255", "20261•••2255"),
        (f"by {USER}.", "by US.•••1918."),
        ("a wamid.HBgLMTMx= b", "a wamid.••• b"),
        ("a WAMID.x", "a wamid.•••"),
        ("US.abc1234", "US.•••1234"),
        ("US.abcdef", "US.abcdef"),
        ("xUS.abc1234", "xUS.abc1234"),
    ],
)
def test_seven_digits_are_a_number(text: str, masked: str) -> None:
    assert mask_numbers(text) == masked


def test_what_is_told_of_ids_and_numbers() -> None:
    assert mask_ids(USER) == "US.•••1918"
    assert mask_ids("no dot") == "no dot"
    assert mask_e164("+123456 +1234567") == "+123456 •••67"
    told = replace_numbers(f"{UUID} to +13125550001 on 2026-11-22", lambda number: f"<{number}>")
    assert told == f"{UUID} to <+13125550001> on 2026-11-22"
    assert is_user_id(USER)
    assert is_user_id("US.ENT.1")
    assert not is_user_id("us.1")
    assert not is_user_id(f"{USER}.")
    assert not is_user_id(7)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (USER, True),
        ("wamid.", True),
        ("wamid", False),
        (base64.b64encode(b"..13125550001").decode().rstrip("="), True),
        (base64.urlsafe_b64encode(b"\xff\xfe13125550001").decode(), True),
        (base64.b64encode(b"..131255.....").decode(), False),
        (base64.b64encode(b"1234567").decode().rstrip("="), False),
        (base64.b64encode(b"12345678.").decode(), True),
        ("A" + base64.b64encode(b"..13125550001.").decode().rstrip("="), False),
        ("words only here", False),
    ],
)
def test_base64_of_a_number_gives_it_away(text: str, *, expected: bool) -> None:
    assert gives_away(text) is expected


@pytest.mark.parametrize(
    ("text", "word"), [("sent", "sent"), ("a.b-c_1", "a.b-c_1"), ("x" * 64, "x" * 64), ("x" * 65, "•••"), ("", "•••")]
)
def test_a_word_is_plain(text: str, word: str) -> None:
    assert plain_word(text) == word
    assert plain_word("1234567") == plain_word("two words") == "•••"


def test_a_long_type_ends_in_a_digest() -> None:
    longest = "x" * 128
    assert shown_type(longest) == longest
    assert shown_type("a\nb") == "a\\nb"
    first, second = shown_type(f"{longest}1"), shown_type(f"{longest}2")
    assert first != second
    assert first[:115] == "x" * 115
    assert first[115] == "…"
    assert len(first) == len(second) == 128
    assert len(shown_type("\ud83d" * 200)) == 128


def test_control_characters_are_escapes() -> None:
    assert printable_lines("a\tb\nc\x1b") == "a\\tb\nc\\x1b"
    assert printable_json('{"a":\n"\x1b\U000e0001"}') == '{"a":\n"\\u001b\\udb40\\udc01"}'


def test_the_authors_code_is_told_from_that_of_others() -> None:
    assert is_authors("/home/me/my_handlers.py")
    assert not is_authors("<string>")
    assert not is_authors("/x/site-packages/y.py")
    assert not is_authors(masking.__file__)
    assert not is_authors(base64.__file__)


def test_the_place_of_an_error_is_the_authors_then_ours_then_any() -> None:
    assert place(ValueError()) == "an unknown place"
    assert place(SyntaxError("x", ("/a/my.py", 7, 1, "text"))) == "my.py:7"
    with pytest.raises(TypeError) as ours:
        masking.mask_numbers(None)  # type: ignore[arg-type] # on purpose
    assert place(ours.value).startswith("test_masked_texts.py:")
    error = ours.value.with_traceback(ours.value.__traceback__.tb_next if ours.value.__traceback__ else None)
    assert place(error).startswith("masking.py:")
    assert place(error).endswith(" in mask_ids")
    with pytest.raises(ValueError, match="base64") as others:
        base64.b64decode("x", validate=True)
    inner = others.value.__traceback__
    assert place(others.value.with_traceback(inner.tb_next if inner else None)).startswith("base64.py:")
    with pytest.raises(SyntaxError) as bare:
        raise SyntaxError("x")
    assert place(bare.value).startswith("test_masked_texts.py:")
