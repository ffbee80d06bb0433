"""Texts of strangers as a terminal may show them."""

import json
import unicodedata
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from service.security.masking import printable, printable_json, printable_lines, shown_type

UNSAFE = {"Cc", "Cf", "Cs", "Zl", "Zp"}
ANY_TEXT = st.text(st.characters())


def unsafe(text: str) -> set[str]:
    return {each for each in text if unicodedata.category(each) in UNSAFE}


def test_each_control_and_format_character_is_an_escape_and_letters_stay() -> None:
    for number in range(0x110000):
        letter = chr(number)
        if unicodedata.category(letter) in UNSAFE:
            shown = printable(letter)
            assert shown.startswith("\\")
            assert shown.isascii()
    for text in ("Zürich 😀 日本語 عربى", "a [bold]b[/bold]", "C:\\x1b"):
        assert printable(text) == text


def test_what_terminals_act_on_is_shown_as_what_it_is() -> None:
    assert printable("\x1b[2J\x9b\r\n\u202e\u200b\u2028\ud800") == r"\x1b[2J\x9b\r\n\u202e\u200b\u2028\ud800"
    assert printable_lines("one\r\ntwo") == "one\\r\ntwo"


@given(st.recursive(ANY_TEXT, lambda inner: st.lists(inner) | st.dictionaries(ANY_TEXT, inner), max_leaves=8))
def test_json_with_escapes_says_the_same(value: Any) -> None:
    written = json.dumps(value, ensure_ascii=False, indent=2)
    shown = printable_json(written)
    assert json.loads(shown) == json.loads(written.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass"))
    assert unsafe(shown) <= {"\n"}


@given(ANY_TEXT, ANY_TEXT)
def test_a_type_is_shown_in_at_most_128_printable_characters(one: str, other: str) -> None:
    for event_type in (one, one * 200 + "x" * 200):
        shown = shown_type(event_type)
        assert len(shown) <= 128
        assert not unsafe(shown)
    if one != other:
        assert shown_type("x" * 200 + one) != shown_type("x" * 200 + other)
