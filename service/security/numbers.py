"""Phone numbers in bodies: the short digests by which events about a number are found again, and exact matches.

Pure. Four bytes are enough for a search: of a million other numbers, one matches in 4,000 searches. Only lists use
digests. With an encryption key they are keyed, because a reader could try all numbers.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice

from service.events.event import parse_json
from service.events.nested_json import leaves
from service.events.phone_number import canonical_number, with_ascii_digits
from service.security.digit_separators import BETWEEN
from service.security.encryption import Sealer
from service.security.masking import decoded

DIGEST_BYTES = 4
MOST_DIGESTS = 8
EXAMINED = 65_536
"""Bytes of a body that are examined."""

_SIGNED = re.compile(rb'"(\+[\d ().\-/]{7,40})"')
_NAMED = re.compile(rb'"(?:phone_number|phoneNumber|from|to|number)"\s*:\s*(?:\[\s*)?"?([\d ().\-/]{3,40})["\s,}\]]')
"""Without its `+`, only the name of its field distinguishes a number from an id."""
_NOT_DIGITS = re.compile(r"\D")
_BETWEEN = rf"[\s{BETWEEN}]*"
_TRUNK_PREFIX = rf"(?:\(\s*0\s*\){_BETWEEN})?"
_LONGEST_COUNTRY_CODE = 3


def digests_of(number: str, sealer: Sealer) -> tuple[bytes, ...]:
    """Return all digests of a number, however it is written: one for each key, and the one without a key."""
    digits = _NOT_DIGITS.sub("", canonical_number(number) or number)
    return sealer.briefs(digits.encode(), DIGEST_BYTES)


def digests(body: bytes, sealer: Sealer) -> bytes:
    """Return the digests of the first few numbers in a body, one after the other, short codes included."""
    spelt = (*_SIGNED.findall(body, 0, EXAMINED), *_NAMED.findall(body, 0, EXAMINED))
    numbers = dict.fromkeys(filter(None, map(_digits, spelt)))
    return b"".join([sealer.brief(each, DIGEST_BYTES) for each in islice(numbers, MOST_DIGESTS)])


@lru_cache(maxsize=256)
def _digits(spelt: bytes) -> bytes | None:
    """Return the digits of a number in its canonical form. Our own numbers come again with each event."""
    number = canonical_number(spelt.decode())
    return None if number is None else number.removeprefix("+").encode()


def is_number(text: str) -> bool:
    """Return whether a text may be a phone number or a short code."""
    return 3 <= len(_NOT_DIGITS.sub("", text)) <= 15 and not re.search(r"[^\d\s().+-]", text)


@dataclass(frozen=True, slots=True)
class NumberMatcher:
    """A matcher of one whole number in texts.

    It finds the number with or without `+` or `00`, and with blanks, dots, dashes, slashes, brackets. It knows digits
    of any script, and `(0)` behind the country code. It also searches base64, as in WhatsApp's ids of messages. It does
    not find the national form, which may be somebody else's.
    """

    pattern: "re.Pattern[str]"

    @classmethod
    def of(cls, *spellings: str) -> "NumberMatcher":
        """Return the matcher of a number, in any of its own forms. Its spellings differ in their digits."""
        return cls(re.compile(rf"(?<!\d)(?:00{_BETWEEN})?(?:{'|'.join(map(_pattern, spellings))})(?!\d)"))

    def within(self, content: bytes | None) -> bool:
        """Return whether some content, JSON or not, names the number."""
        if not content:
            return False
        try:
            texts = [str(each) for each in leaves(parse_json(content)) if isinstance(each, str | int)]
        except ValueError:
            texts = [content.decode(errors="replace")]
        return any(self.pattern.search(each) for text in texts for each in (text, *_plain(text), *decoded(text)))


def _pattern(number: str) -> str:
    digits = _NOT_DIGITS.sub("", number)
    if not digits:
        return re.escape(number)
    # In Italy the 0 belongs to the number: with it, the number is somebody else's.
    prefixed = 0 if not number.startswith("+") or digits.startswith("39") else _LONGEST_COUNTRY_CODE
    after_code = (_BETWEEN + _TRUNK_PREFIX).join(digits[: prefixed + 1])
    return _BETWEEN.join([after_code, *digits[prefixed + 1 :]])


def _plain(text: str) -> Iterator[str]:
    """Yield a text with its digits in ASCII. A footnote behind a number would become a digit of it, so both count."""
    if not text.isascii():
        yield with_ascii_digits(text)
