"""Phone numbers in any spelling. Pure."""

import re
import unicodedata

from service.security.digit_separators import ASCII_BETWEEN, BETWEEN

_SHORT_CODE = re.compile(r"[0-9]{3,6}")
_INTERNATIONAL = re.compile(r"[1-9][0-9]{6,14}")
_CANONICAL = re.compile(r"\+[1-9][0-9]{6,14}")
_FRACTION = re.compile(r"(\+?[0-9]{7,15})\.0")
"""A number that JSON, or a model that read it, holds as a fraction. Its point stands between no digits of a number."""
_LONGEST_SPELLING = 100
_WITHOUT_BETWEEN = str.maketrans(dict.fromkeys(ASCII_BETWEEN))
_BETWEEN = re.compile(f"[{BETWEEN}]+")


def canonical_number(spelt: object) -> str | None:
    """Return the canonical form: `+` and 7 to 15 digits, or 3 to 6 digits of a short code.

    A leading `00` and a missing `+` are read as `+`. Blanks, dashes, dots, brackets and invisible characters are
    skipped. Anything else (a name, an e-mail address, a WhatsApp user id, an empty text) is None. A national form
    without country code is not completed, because it may be somebody else's number.
    """
    if isinstance(spelt, str) and _CANONICAL.fullmatch(spelt):
        return spelt
    if isinstance(spelt, float) and spelt.is_integer():
        spelt = int(spelt)
    if isinstance(spelt, bool) or not isinstance(spelt, str | int):
        return None
    text = _plain(spelt)
    if text is None:
        return None
    digits = text.removeprefix("+")
    if digits == text and digits.startswith("00"):
        digits = digits[2:]
    elif _SHORT_CODE.fullmatch(digits):
        return digits
    return f"+{digits}" if _INTERNATIONAL.fullmatch(digits) else None


def _plain(spelt: str | int) -> str | None:
    """Return the number in ASCII digits, without the characters between them. None for any other text."""
    if isinstance(spelt, int):
        # Python refuses to write integers of thousands of digits.
        return str(spelt) if 0 <= spelt < 10**15 else None
    if len(spelt) > _LONGEST_SPELLING:
        return None
    if spelt.isascii():
        if fraction := _FRACTION.fullmatch(spelt):
            return fraction[1]
        return spelt.translate(_WITHOUT_BETWEEN)
    return _BETWEEN.sub("", with_ascii_digits(spelt))


def with_ascii_digits(text: str) -> str:
    """Return a text with its digits and signs of any script or width in ASCII."""
    return "".join(map(_digit, unicodedata.normalize("NFKC", text)))


def _digit(character: str) -> str:
    value = unicodedata.decimal(character, None)
    return character if value is None else str(value)
