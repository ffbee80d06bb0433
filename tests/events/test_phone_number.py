"""One form of a number, whichever way it is spelt; what is no number has none."""

import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.events.phone_number import canonical_number

NUMBER = "+13125550411"
BETWEEN = st.text(" ()-./\u00a0\u2011\u202a\u202c\u200b", max_size=2)


@given(start=st.sampled_from(["+", "00", "", "\uff0b"]), between=st.lists(BETWEEN, min_size=11, max_size=11))
def test_all_spellings_of_a_number_are_one(start: str, between: list[str]) -> None:
    spelt = start + "".join(gap + digit for gap, digit in zip(between, NUMBER[1:], strict=True))
    assert canonical_number(spelt) == NUMBER


@pytest.mark.parametrize("category", ["Cf", "Pd", "Zs"])
def test_each_blank_dash_and_invisible_character_may_stand_between_digits(category: str) -> None:
    between = [chr(each) for each in range(sys.maxunicode + 1) if unicodedata.category(chr(each)) == category]
    assert [each for each in between if canonical_number(f"+1312{each}5550411") != NUMBER] == []


@pytest.mark.parametrize(
    "spelt",
    [
        "\uff0b\uff11\uff13\uff11\uff12\uff15\uff15\uff15\uff10\uff14\uff11\uff11",
        13125550411,
        13125550411.0,
        "13125550411.0",
        "+13125550411.0",
        "\u0660\u0660\u0661\u0663\u0661\u0662\u0665\u0665\u0665\u0660\u0664\u0661\u0661",
    ],
)
def test_digits_of_other_forms_are_digits(spelt: object) -> None:
    assert canonical_number(spelt) == NUMBER


@pytest.mark.parametrize(
    ("spelt", "form"), [("36180", "36180"), (" 36180 ", "36180"), ("123", "123"), ("1234567", "+1234567")]
)
def test_a_short_code_has_no_plus(spelt: str, form: str) -> None:
    assert canonical_number(spelt) == form


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "+",
        "-",
        "12",
        "MYBANK",
        "jane@example.com",
        "US.13491208655302741918",
        "13491208655302741918",
        "+0312555041",
        "0612345678",
        "+1312555041x",
        "1312+5550411",
        "++13125550411",
        "+1" * 60,
        "tel",
        "+1312\u2022\u2022\u20221234",
        None,
        True,
        False,
        [],
        {},
        12.5,
        -13125550411,
        10**15,
    ],
)
def test_what_is_no_number_has_no_form(text: object) -> None:
    assert canonical_number(text) is None


@given(st.text(max_size=30))
def test_a_form_is_its_own_form(text: str) -> None:
    form = canonical_number(text)
    assert form is None or canonical_number(form) == form
