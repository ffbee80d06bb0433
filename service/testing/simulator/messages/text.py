"""How a text travels: its encoding, and into how many parts it is split."""

_GSM7 = set(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà"
)
_GSM7_EXTENDED = set("^{}\\[~]|€\f")


def encoding(text: str) -> str:
    """`GSM-7` if every character of `text` is in that alphabet, else `UCS-2`."""
    return "GSM-7" if set(text) <= _GSM7 | _GSM7_EXTENDED else "UCS-2"


def parts(text: str, encoding: str) -> int:
    """How many SMS carry `text`: 160 septets or 70 UTF-16 units in one, 153 or 67 in each of several."""
    if encoding == "GSM-7":
        length, single, multiple = len(text) + sum(c in _GSM7_EXTENDED for c in text), 160, 153
    else:
        length, single, multiple = len(text.encode("utf-16-le")) // 2, 70, 67
    return 1 if length <= single else -(-length // multiple)
