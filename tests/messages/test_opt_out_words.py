"""The words that opt out, whatever stands around or within them, and the sentences that do not."""

import base64
import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.events.consent import said_in
from service.events.opt_out_words import (
    HELP_WORDS,
    OPT_IN_WORDS,
    OPT_OUT_WORDS,
    forms_of,
    normalise,
    normalise_all,
)

AROUND = [*["Pc", "Pd", "Ps", "Pe", "Pi", "Pf", "Po", "Sm", "Sc", "Sk", "So", "Zs", "Zl", "Zp", "Cc", "Cf"]]
INVISIBLE = (
    "\u200b\u200c\u200d\u2060\ufeff\u00ad\u200e\u200f\u202a\u202e\u2066\u2069\ufe0f\ufe0e\u034f\u180b\u3164\u0301"
)
around = st.text(st.characters(categories=AROUND), max_size=6)  # type: ignore[arg-type]
words = st.sampled_from(sorted(OPT_OUT_WORDS))


def stands_around(text: str) -> bool:
    """Whether nothing of it is a letter or a digit: some signs (TM, a circled A) stand for letters."""
    decomposed = unicodedata.normalize("NFKD", text)
    return not any(unicodedata.category(each)[0] in "LN" for each in decomposed)


@given(word=words, before=around.filter(stands_around), after=around.filter(stands_around))
def test_punctuation_signs_and_blanks_around_a_word_make_no_difference(word: str, before: str, after: str) -> None:
    assert said_in({"text": f"{before}{word}{after}"}) == "out"


@given(word=words, data=st.data())
def test_invisible_characters_within_a_word_make_no_difference(word: str, data: st.DataObject) -> None:
    spelt = "".join(each + data.draw(st.text(INVISIBLE, max_size=2)) for each in word)
    assert said_in({"text": spelt}) == "out"


@given(word=words, data=st.data())
def test_neither_case_nor_width_makes_a_difference(word: str, data: st.DataObject) -> None:
    wide = str.maketrans({chr(code): chr(code + 0xFEE0) for code in range(0x21, 0x7F)})
    forms = [
        str.upper,
        str.lower,
        str.title,
        lambda text: text.translate(wide),
        lambda text: text.replace("i", "\u0131"),
    ]
    spelt = "".join(data.draw(st.sampled_from(forms))(each) for each in word)
    assert said_in({"text": spelt}) == "out"


@pytest.mark.parametrize(
    "text",
    [
        "Opt-Out",
        "OPT\u2013OUT",
        "opt_out",
        "opt\u00a0out",
        "Opt\nout",
        "\u00abStop\u00bb",
        "\u201cSTOP\u201d",
        "\u00a1Stop!",
        "STOP\u3002",
        "*stop*",
        "[STOP]",
        "'stop'",
        "\U0001f6d1 STOP \U0001f6d1",
        "S.T.O.P.",
        "S T O P",
        "stop stop",
        "STOP! STOP! STOP!",
        "QU\u0130T",
        "qu\u0131t",
        "\U0001d412\U0001d413\U0001d40e\U0001d40f",
        "\ufb06op",
        "\ud83dSTOP",
        "STOP\ufffd",
        "st\u00f3p",
        "\x00STOP",
        "StopAll",
        "stop\u309b",
        "Stop-all",
    ],
)
def test_a_word_is_recognised_in_the_forms_that_people_send(text: str) -> None:
    assert said_in({"text": text}) == "out"


@pytest.mark.parametrize(
    "text",
    [
        "please don't stop",
        "stop by at 5",
        "Don't stop",
        "the end",
        "unstop stop it",
        "I quit smoking",
        "cancel my order",
        "opt out of what?",
        "stop 5",
        "stop2",
        "nonstop",
        "stopped",
        "weekend",
        "ends",
        "revoked",
        "unsubscribed",
        "optin",
        "opt",
        "out",
        "",
        " ",
        "?",
        "\u200b",
        "stop, thief",
        "can you stop",
        "U1RPUA==",
        "s to p",
        "STOP " * 9000,
    ],
)
def test_a_sentence_or_another_word_is_no_opt_out(text: str) -> None:
    assert said_in({"text": text}) is None


@given(word=words, coding=st.sampled_from([base64.b64encode, base64.urlsafe_b64encode]), padded=st.booleans())
def test_a_postback_is_read_plain_and_as_base64(word: str, coding: Any, *, padded: bool) -> None:
    coded = coding(f"\u201c{word}\u201d".encode()).decode()
    for postback in (word.upper(), coded if padded else coded.rstrip("=")):
        assert said_in({"body": {"suggestion_response": {"text": "No more", "postback_data": postback}}}) == "out"
        assert said_in({"text": None, "suggestion_response": {"postback_data": postback}}) == "out"


@pytest.mark.parametrize(
    "payload",
    [
        {"text": None, "body": {"text": "STOP"}},
        {"text": "", "body": {"text": {"body": "STOP"}}},
        {"text": {"body": "STOP"}},
        {"text": ["STOP"]},
        {"body": "STOP"},
        {"body": {"type": "button", "button": {"text": "No more", "payload": "STOP"}}},
        {"body": {"type": "interactive", "interactive": {"button_reply": {"id": "STOP", "title": "No more"}}}},
        {"text": "See you", "autoresponse_type": "stop"},
        {"text": "START", "body": {"text": "STOP"}},
    ],
)
def test_a_word_is_found_in_every_field_that_holds_what_a_person_wrote(payload: Any) -> None:
    assert said_in(payload) == "out"


@pytest.mark.parametrize("text", ["START", "\u201cStart\u201d", "un\u200bstop", "Unstop!"])
def test_an_opt_in_is_read_as_leniently(text: str) -> None:
    assert said_in({"text": text}) == "in"


@given(st.text(max_size=40))
def test_a_normal_form_is_its_own_normal_form(text: str) -> None:
    assert normalise(normalise(text)) == normalise(text)
    assert normalise_all([text]) <= forms_of(text)


def test_all_known_words_stand_in_normal_form() -> None:
    for known in (OPT_OUT_WORDS, OPT_IN_WORDS, HELP_WORDS):
        assert normalise_all(known) == known


@pytest.mark.parametrize(
    ("added", "text"),
    [
        ("ARR\u00caT", "arr\u00eat !"),
        ("Arr\u00eat", "ARRET"),
        ("\u03a3\u03a4\u039f\u03a0", "\u03c3\u03c4\u03bf\u03c0"),
        ("no m\u00e1s", "No mas."),
        ("\u0441\u0442\u043e\u043f", "\u0421\u0422\u041e\u041f!"),
        ("\u0627\u0644\u063a\u0627\u0621", "\u0627\u0644\u063a\u0627\u0621"),
        ("\u092c\u0902\u0926", "\u092c\u0902\u0926"),
        ("\u9000\u8ba2", "\u9000\u8ba2\u3002"),
        ("leave me alone", "Leave me ALONE!!"),
    ],
)
def test_an_added_word_is_read_as_leniently(added: str, text: str) -> None:
    assert said_in({"text": text}, normalise_all([added])) == "out"
    assert said_in({"text": text}) is None
