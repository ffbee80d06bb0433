"""Ids that tell who somebody is: WhatsApp's of messages, whose base64 holds a number, and of users. Pure.

Source: SDK 4.189, `MessagingInboundMessagePayload.body`.
"""

import base64
import re
from collections.abc import Callable, Iterator

_MESSAGE = r"wamid\.[A-Za-z0-9+/=_-]*"
_USER = r"(?<![A-Za-z0-9.])[A-Z]{2}\.(?:ENT\.)?(?=[A-Za-z]*\d{4})[A-Za-z0-9]{6,128}(?![A-Za-z0-9])"
_ID = re.compile(f"(?i:{_MESSAGE})|{_USER}")
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{12,}")
_NUMBER = re.compile(r"\d{7,15}")
_URL_SAFE = str.maketrans("-_", "+/")


def gives_away(text: str) -> bool:
    """Whether a text holds the id of a WhatsApp user or message, or base64 with a phone number in it."""
    return _ID.search(text) is not None or any(_NUMBER.search(each) for each in decoded(text))


def replace_ids(text: str, replace: Callable[[str], str]) -> str:
    """Return a text with another one in the place of each id."""
    return _ID.sub(lambda match: replace(match[0]), text)


def mask_ids(text: str) -> str:
    """Return a text with its ids masked: `US.•••1918`, `wamid.•••`."""
    return replace_ids(text, _masked)


def decoded(text: str) -> Iterator[str]:
    """Yield the base64 in a text, decoded; bytes that are no ASCII become letters that no number has."""
    for match in _BASE64.finditer(text):
        coded = match[0].translate(_URL_SAFE)
        whole = coded[: len(coded) - (len(coded) % 4 == 1)]
        yield base64.b64decode(whole + "=" * (-len(whole) % 4)).decode("latin-1")


def _masked(found: str) -> str:
    return "wamid.•••" if found.lower().startswith("wamid.") else f"{found[:3]}•••{found[-4:]}"
