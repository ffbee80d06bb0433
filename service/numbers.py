"""Phone numbers in a body, and the short digests by which events about a number are found again.

Pure. Four bytes are enough to find by: among a million other numbers, one is confused with this one in 4,000 searches.
Nothing but a list is decided by them. Where there is an encryption key they are keyed: else whoever has them could try
all numbers.
"""

import re

from service.sealing import Sealer

DIGEST_BYTES = 4
MOST_DIGESTS = 8
EXAMINED = 65_536
"""Bytes of a body that are looked at."""

_WHOLE = re.compile(rb'"\+(\d{7,15})"')
_SHORT = re.compile(rb'"phone_number"\s*:\s*"(\d{3,8})"')
_NOT_DIGITS = re.compile(r"\D")


def digests_of(number: str, sealer: Sealer) -> tuple[bytes, ...]:
    """All digests that a number may be found by, however it is written: one for each key, and that without one."""
    return sealer.briefs(_NOT_DIGITS.sub("", number).encode(), DIGEST_BYTES)


def digests(body: bytes, sealer: Sealer) -> bytes:
    """The digests of the first few numbers in a body, side by side: what reads `+1312…`, and short codes."""
    found = dict.fromkeys(_WHOLE.findall(body, 0, EXAMINED) + _SHORT.findall(body, 0, EXAMINED))
    return b"".join(sealer.brief(each, DIGEST_BYTES) for each in list(found)[:MOST_DIGESTS])


def is_number(text: str) -> bool:
    """Whether a text may be a phone number or a short code."""
    return 3 <= len(_NOT_DIGITS.sub("", text)) <= 15 and not re.search(r"[^\d\s().+-]", text)
