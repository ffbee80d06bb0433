"""How many SMS segments a text takes, as carriers count them.

GSM 03.38: 160 septets alone, 153 in each part of several; extension characters take two and are not split.
UCS-2: 70 and 67 UTF-16 units; a surrogate pair is not split either.
"""

from collections.abc import Iterable

_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENSION = frozenset("\f^{}\\[~]|€")


def is_gsm7(text: str) -> bool:
    """Whether every character is in the GSM 03.38 alphabet or its extension."""
    return all(character in _BASIC or character in _EXTENSION for character in text)


def segments(text: str) -> int:
    """The number of segments that carriers charge for; 0 for no text."""
    if is_gsm7(text):
        return _count([2 if character in _EXTENSION else 1 for character in text], alone=160, part=153)
    return _count([2 if ord(character) > 0xFFFF else 1 for character in text], alone=70, part=67)


def _count(sizes: list[int], *, alone: int, part: int) -> int:
    if not sizes:
        return 0
    return 1 if sum(sizes) <= alone else _parts(sizes, part)


def _parts(sizes: Iterable[int], part: int) -> int:
    count, used = 1, 0
    for size in sizes:
        if used + size > part:
            count, used = count + 1, 0
        used += size
    return count
