"""Parsing of the bodies that Telnyx signs: strict about grammar, lenient about what strings and numbers hold. Pure.

Both the ingress and the workers parse with this function, so both see the same event.
"""

import math
import re
from typing import Any

import orjson

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_STRING_OR_NUMBER = re.compile(rb'"(?:[^"\\]|\\.)*+"?|-?(?:0|[1-9]\d*+)(?:\.\d+)?(?:[eE][+-]?\d+)?', re.DOTALL)
_ESCAPE = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"  # a pair, which is one character
    rb"|(?P<lone>\\u[dD][89a-fA-F][0-9a-fA-F]{2})"
    rb"|\\.",
    re.DOTALL,
)
_REPLACEMENT = rb"\ufffd"
_LARGEST = b"1.7976931348623157e308"


def parse_json(body: bytes) -> Any:
    """Parse a body as JSON.

    A byte order mark is skipped. A lone surrogate is grammatical (RFC 8259, 8.2): it becomes U+FFFD, in keys too. A
    number beyond a double becomes the largest double. NaN, Infinity, invalid UTF-8 and over 1024 levels are refused.

    Raises:
        ValueError: the body is not JSON.
    """
    text = body.removeprefix(_BYTE_ORDER_MARK)
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return orjson.loads(_STRING_OR_NUMBER.sub(_writable, text))


def _writable(token: re.Match[bytes]) -> bytes:
    """A string or number in a form that orjson reads."""
    text = token[0]
    if text.startswith(b'"'):
        return _ESCAPE.sub(_replaced, text)
    return _finite(text)


def _replaced(escape: re.Match[bytes]) -> bytes:
    return _REPLACEMENT if escape["lone"] else escape[0]


def _finite(number: bytes) -> bytes:
    if not math.isinf(float(number)):
        return number
    return b"-" + _LARGEST if number.startswith(b"-") else _LARGEST
