"""Texts of strangers as a terminal may show them: what moves its cursor or turns its letters is escaped. Pure."""

import hashlib
import re

LONGEST_TYPE = 128
"""Characters of an event type; a longer one is shortened."""

_DIGEST = 12
_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f"  # Cc: C0, DEL and C1
    "\u00ad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff"
    "\ufff9-\ufffb\U000110bd\U000110cd\U00013430-\U0001345f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0000-\U000e007f"  # Cf: zero width, bidirectional, tags
    "\u2028\u2029\ud800-\udfff]"  # line and paragraph separators, lone surrogates
)


def printable(text: str) -> str:
    r"""Return a text on one line, each control and format character as an escape: `\n`, `\x1b`, `\u202e`."""
    return _UNSAFE.sub(_escaped, text)


def printable_lines(text: str) -> str:
    """Return a text of ours that may have several lines, with each line made printable."""
    return "\n".join(map(printable, text.split("\n")))


def printable_json(text: str) -> str:
    """Return JSON that says the same, its control and format characters as JSON's own escapes; line breaks stay.

    Between its strings JSON holds no such character but a line break, so each one stands in a string.
    """
    return _UNSAFE.sub(_json_escaped, text)


def shown_type(event_type: str) -> str:
    """Return an event type as people are shown it: at most 128 printable characters.

    A longer one ends in a digest, so that two of them differ.
    """
    text = printable(event_type)
    if len(text) <= LONGEST_TYPE:
        return text
    digest = hashlib.sha256(event_type.encode(errors="surrogatepass")).hexdigest()[:_DIGEST]
    return f"{text[: LONGEST_TYPE - _DIGEST - 1]}…{digest}"


def _escaped(found: "re.Match[str]") -> str:
    return found[0].encode("unicode_escape").decode()


def _json_escaped(found: "re.Match[str]") -> str:
    if found[0] == "\n":
        return "\n"
    units = found[0].encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[start : start + 2].hex()}" for start in range(0, len(units), 2))
