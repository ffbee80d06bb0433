"""Phone numbers in bodies: the short digests by which events about a number are found again, and exact matches.

Pure. Four bytes are enough for a search: of a million other numbers, one matches in 4,000 searches. Only lists use
digests. With an encryption key they are keyed, because a reader could try all numbers.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice

from service.events.event import parse_json
from service.events.nested_json import leaves
from service.events.phone_number import canonical_number
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
_BETWEEN = r"[\s().\-/\u2010-\u2015\u00a0]*"


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

    It finds the number with or without `+` or `00`, and with blanks, dots, dashes, slashes, brackets. It also searches
    base64, as in WhatsApp's ids of messages. It does not find the national form, which may be somebody else's.
    """

    pattern: "re.Pattern[str]"

    @classmethod
    def of(cls, number: str) -> "NumberMatcher":
        """Return the matcher of a number, in any of its own forms."""
        digits = _NOT_DIGITS.sub("", number)
        spelt = _BETWEEN.join(digits) if digits else re.escape(number)
        return cls(re.compile(rf"(?<!\d)(?:00{_BETWEEN})?{spelt}(?!\d)"))

    def within(self, content: bytes | None) -> bool:
        """Return whether some content, JSON or not, names the number."""
        if not content:
            return False
        try:
            texts = [str(each) for each in leaves(parse_json(content)) if isinstance(each, str | int)]
        except ValueError:
            texts = [content.decode(errors="replace")]
        return any(self.pattern.search(each) for text in texts for each in (text, *decoded(text)))
