"""Bodies as others may see them: numbers replaced or masked, texts gone, the shape kept.

A list names the fields that may stay. Every other string goes. A field that Telnyx adds tomorrow is
hidden until somebody decides otherwise. The ids of WhatsApp users, and of WhatsApp's messages, whose base64 holds a
number, go wherever they stand.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from service.events.nested_json import transform
from service.security.masking import gives_away, mask_number, replace_numbers
from service.security.numbers import is_number

HIDDEN = "•••"

_SHOWN = re.compile(
    r"id|.*_id|record_type|event_type|.*_at|direction|type|status|.*_status|code|currency|unit|encoding|parts|attempt"
    r"|autoresponse_type|line_type|content_type|valid_until|tags_count|verificationStatus|level"
)
_HIDDEN = re.compile(r"foreign_id|original_message_id|wa_id|bsuid|latitude|longitude")
_USER_ID = re.compile(r".*user_id")
_NAME = re.compile(r"[A-Za-z0-9_.:$@/-]{0,128}")
_TOKEN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_:.+ -]{0,127}")
_HARMLESS = re.compile(
    r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|sha256:[0-9a-f]{64}"
    r"|\d{4}-\d\d-\d\dT[\d:.]+(Z|[+-]\d\d:?\d\d)?"
)

Replace = Callable[[str], str]


def masked(content: Any) -> Any:
    """Return a body for operators: numbers masked, texts hidden."""
    return _changed(content, mask_number, lambda _: HIDDEN)


@dataclass(frozen=True)
class Anonymizer:
    """A replacement of each number by a fixed, unassigned one, and of each text by one of its length.

    The secret lives as long as this object, so that nobody finds the replaced numbers by trying all.
    """

    secret: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)

    def content(self, content: Any) -> Any:
        """Return an anonymous copy of a parsed body."""
        return _changed(content, self.number, _filler)

    def number(self, number: str) -> str:
        """Return a number under country code 999, which no country has. Source: ITU-T E.164, list of assigned codes."""
        digits = re.sub(r"\D", "", number)
        digest = hmac.digest(self.secret, digits.encode(), hashlib.sha256)
        return f"+999{int.from_bytes(digest[:8], 'big') % 10**12:012d}"

    def name(self, text: str) -> str:
        """Return an id or another name with its numbers replaced."""
        if _HARMLESS.fullmatch(text):
            return text
        shown = _filler(text) if gives_away(text) else text
        return replace_numbers(shown, self.number)


def _changed(content: Any, number: Replace, text: Replace) -> Any:
    def leaf(value: Any, name: str) -> Any:
        if isinstance(value, str):
            return _changed_text(value, number, text, name)
        return _changed_figure(value, name)

    return transform(content, leaf, lambda key: _key(key, number, text))


def _changed_figure(value: Any, name: str) -> Any:
    if isinstance(value, bool) or value is None:
        return value
    # A number without its plus sign may be written as a number.
    return 0 if _HIDDEN.fullmatch(name) or (len(str(value)) >= 7 and not _SHOWN.fullmatch(name)) else value


def _changed_text(value: str, number: Replace, text: Replace, name: str) -> str:
    if value == "":
        return value
    if _HIDDEN.fullmatch(name):
        return text(value)
    if _HARMLESS.fullmatch(value):
        return value
    if _USER_ID.fullmatch(name) or gives_away(value):
        return text(value)
    if _SHOWN.fullmatch(name) and _TOKEN.fullmatch(value):
        return replace_numbers(value, number)
    return number(value) if is_number(value) else text(value)


def _key(key: str, number: Replace, text: Replace) -> str:
    if is_number(key):
        return number(key)
    # A name of a field has no blanks. A text of a person may.
    return text(key) if gives_away(key) or not _NAME.fullmatch(key) else key


def _filler(text: str) -> str:
    """Return as many letters, so that segments and lengths stay the same."""
    return "x" * len(text)
