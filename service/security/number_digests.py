"""Phone numbers in a body, and the short digests by which events about a number are found again.

Pure. Four bytes are enough to find by: among a million other numbers, one is confused with this one in 4,000 searches.
Nothing but a list is decided by them. Where there is an encryption key they are keyed: else a reader could try
all numbers.
"""

import re

from service.events.phone_number import canonical_number
from service.security.encryption import Sealer

DIGEST_BYTES = 4
MOST_DIGESTS = 8
EXAMINED = 65_536
"""Bytes of a body that are looked at."""

_SIGNED = re.compile(rb'"(\+[\d ().\-/]{7,40})"')
_NAMED = re.compile(rb'"(?:phone_number|phoneNumber|from|to|number)"\s*:\s*(?:\[\s*)?"?([\d ().\-/]{3,40})["\s,}\]]')
"""Without its `+`, a number is told from an id by the name of its field alone."""
_NOT_DIGITS = re.compile(r"\D")


def digests_of(number: str, sealer: Sealer) -> tuple[bytes, ...]:
    """All digests that a number may be found by, however it is written: one for each key, and that without one."""
    return sealer.briefs(_digits(number), DIGEST_BYTES)


def digests(body: bytes, sealer: Sealer) -> bytes:
    """Return the digests of the first few numbers in a body, side by side: with and without `+`, and short codes."""
    spelt = (*_SIGNED.findall(body, 0, EXAMINED), *_NAMED.findall(body, 0, EXAMINED))
    found = dict.fromkeys(_digits(each.decode()) for each in dict.fromkeys(spelt) if canonical_number(each.decode()))
    return b"".join(sealer.brief(each, DIGEST_BYTES) for each in list(found)[:MOST_DIGESTS])


def is_number(text: str) -> bool:
    """Whether a text may be a phone number or a short code."""
    return 3 <= len(_NOT_DIGITS.sub("", text)) <= 15 and not re.search(r"[^\d\s().+-]", text)


def _digits(number: str) -> bytes:
    """The digits of a number, the same for each of its spellings."""
    return _NOT_DIGITS.sub("", canonical_number(number) or number).encode()
