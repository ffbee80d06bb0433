"""The words that opt out, opt in or ask for help, and their recognition in a text.

A policy file may add opt-out words. Ingress and handlers read them by one function. The ingress reads no other field of
the file, so a mistake elsewhere does not stop reception.
"""

import re
import tomllib
import unicodedata
from collections.abc import Collection, Iterator
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Literal

import structlog

log = structlog.get_logger(__name__)

Said = Literal["out", "in"]

_LONGEST_TEXT = 8192
"""Characters. Longer texts are sentences. WhatsApp takes 4,096, RCS 3,072, SMS fewer."""
_POLICY_FIELD = "opt_out_words"
MAX_PARTS = 12
"""Parts of a word such as `opt out`. A longer text is a sentence."""
_DOTLESS = str.maketrans({"\u0131": "i"})
"""A Turkish phone writes QUIT in small letters without the dot."""
_UNSEEN_CONTROLS = re.compile(r"[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f]")
_UNSEEN_LETTERS = frozenset("\u115f\u1160\u17b4\u17b5\u3164\uffa0")
"""Letters and marks without a shape: fillers of Hangul and Khmer."""
_UNSEEN_ASCII = bytes(each for each in range(128) if _UNSEEN_CONTROLS.match(chr(each)))
_ASCII_WORDS = bytes(each if chr(each).isalnum() else ord(" ") for each in bytes(range(256)).lower())
"""Each ASCII letter in its small form, and a blank for what is neither letter nor digit."""
_ACCENTS = (
    (0x0300, 0x036F),
    (0x1AB0, 0x1AFF),
    (0x1DC0, 0x1DFF),
    (0x20D0, 0x20FF),
    (0xFE00, 0xFE2F),
    (0xE0100, 0xE01EF),
)
"""Marks upon a letter, and the selectors of its variants. Marks of other scripts are part of a word."""


def normalise(text: str) -> str:
    """Return a text as its words in small letters, one blank between them: `"OPT-OUT!"` is `opt out`.

    Punctuation, emoji and blanks separate words or surround them. Invisible characters, accents and the variants of a
    letter (full width, bold, ligatures) make no difference. The answer is empty without a letter or digit, and
    for a sentence of more than twelve words.
    """
    if len(text) > _LONGEST_TEXT:
        return ""
    parts = _ascii_words(text) if text.isascii() else list(islice(_words(text), MAX_PARTS + 1))
    return " ".join(parts) if len(parts) <= MAX_PARTS else ""


def normalise_all(texts: Collection[str]) -> frozenset[str]:
    """Return the normal forms of words that a policy adds. Words without a letter are left out."""
    return frozenset(filter(None, map(normalise, texts)))


OPT_OUT_WORDS = frozenset(
    {"stop", "stopall", "stop all", "unsubscribe", "cancel", "end", "quit", "revoke", "opt out", "optout"}
)
"""Telnyx's own keywords, and those of 47 CFR 64.1200(a)(10) beyond them: revoke and opt out. In normal form."""
OPT_IN_WORDS = frozenset({"start", "unstop"})
HELP_WORDS = frozenset({"help", "info"})
"""Source: Telnyx's page on advanced opt-in and opt-out."""


def forms_of(text: str) -> frozenset[str]:
    """Return the words that a text may be, in normal form: none for a sentence.

    A word that is repeated (`stop stop`) or spelt letter by letter (`S.T.O.P.`) is that word.
    """
    said = normalise(text)
    if " " not in said:
        return frozenset((said,)) if said else frozenset()
    parts = said.split(" ")
    forms = {said}
    if len(set(parts)) == 1:
        forms.add(parts[0])
    if all(len(each) == 1 for each in parts):
        forms.add("".join(parts))
    return frozenset(forms)


def _ascii_words(text: str) -> list[str]:
    """Return the first words of an ASCII text as `_words` does, at a fraction of the cost."""
    seen = text.encode("ascii").translate(_ASCII_WORDS, _UNSEEN_ASCII)
    return [each.decode("ascii") for each in seen.split(None, MAX_PARTS + 1)[: MAX_PARTS + 1]]


def _words(text: str) -> Iterator[str]:
    """Yield the runs of letters, digits and their marks."""
    # Most texts are sentences, and this check costs less than reading one.
    if sum(any(map(str.isalnum, each)) for each in text.split()) > MAX_PARTS:
        return
    word: list[str] = []
    for character in _simplified(text):
        if character.isalnum() or (word and unicodedata.category(character)[0] == "M"):
            word.append(character)
        elif word:
            yield "".join(word)
            word = []
    if word:
        yield "".join(word)


def _simplified(text: str) -> Iterator[str]:
    """Yield the characters of a text that are seen, in small letters without accents."""
    # Folding before the second decomposition: `İ` folds to an `i` with a mark.
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold()).translate(_DOTLESS)
    for character in _UNSEEN_CONTROLS.sub("", folded):
        if not (_is_unseen(character) or _is_accent(character)):
            yield character


def _is_unseen(character: str) -> bool:
    """Return whether nothing is seen of a character: it may stand within a word. Unicode's general category `Cf`."""
    return character in _UNSEEN_LETTERS or unicodedata.category(character) == "Cf"


def _is_accent(character: str) -> bool:
    code = ord(character)
    return any(first <= code <= last for first, last in _ACCENTS) or 0x180B <= code <= 0x180F


@cache
def opt_out_words(policy: Path | None) -> frozenset[str]:
    """Return the words in normal form that a policy adds. The file is read once in a process.

    An unreadable file adds none, and the log says so. The legal words count in any case.
    """
    if policy is None:
        return frozenset()
    try:
        words = tomllib.loads(policy.read_bytes().decode()).get(_POLICY_FIELD, [])
    except (OSError, ValueError) as error:
        log.error(
            "the opt-out words of RINGBACK_POLICY cannot be read: fix the file and start again",
            file=str(policy),
            error=type(error).__name__,
        )
        return frozenset()
    return normalise_all([each for each in words if isinstance(each, str)] if isinstance(words, list) else [])
