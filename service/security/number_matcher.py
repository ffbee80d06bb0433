"""Whether a body names a phone number, wherever in it and however it is written.

Pure. Found is the whole number, with or without `+` or `00`, with blanks, dots, dashes, slashes or brackets between its
digits, and within base64, which WhatsApp's ids of messages are; not the national form, without the country's code:
that may be somebody else's.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from service.events.event import parse_json
from service.events.nested_json import leaves
from service.security.masking import decoded

_BETWEEN = r"[\s().\-/\u2010-\u2015\u00a0]*"
_NO_DIGIT = re.compile(r"\D")


@dataclass(frozen=True, slots=True)
class NumberMatcher:
    """The form of a number in texts."""

    pattern: "re.Pattern[str]"

    @classmethod
    def of(cls, number: str) -> "NumberMatcher":
        """A number, in any of its own forms."""
        digits = _NO_DIGIT.sub("", number)
        spelt = _BETWEEN.join(digits) if digits else re.escape(number)
        return cls(re.compile(rf"(?<!\d)(?:00{_BETWEEN})?{spelt}(?!\d)"))

    def within(self, content: bytes | None) -> bool:
        """Return whether some content, JSON or not, names the number."""
        if not content:
            return False
        try:
            texts = _texts(parse_json(content))
        except ValueError:
            texts = iter([content.decode(errors="replace")])
        return any(self.pattern.search(each) for text in texts for each in (text, *decoded(text)))


def _texts(content: Any) -> Iterator[str]:
    """Yield all texts and whole numbers in a parsed body, names of fields too."""
    for each in leaves(content):
        if isinstance(each, str | int):
            yield str(each)
