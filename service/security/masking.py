"""Texts as logs, terminals and other people may see them: numbers and ids masked, control characters escaped. Pure."""

import base64
import hashlib
import re
import sysconfig
import traceback
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path

from service.security.digit_separators import BETWEEN, FORMAT

LONGEST_TYPE = 128
"""Characters of an event type. A longer one is shortened."""

_UUID = r"(?<![0-9a-fA-F])[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}"
_TIME = r"(?<![\d+.()-])20\d\d-[01]\d-[0-3]\d(?:[T ][0-2]\d:[0-5]\d)?(?![\d-])"
_DATE = r"(?<![\d+.()/-])(?:20\d\d/[01]\d/[0-3]\d|[0-3]?\d/[0-3]?\d/20\d\d)(?![\d/-])"
_RATIO = rf"(?<![\d+])[1-9]\d{{0,4}}/[1-9]\d{{0,4}}(?![\s{BETWEEN}]{{0,3}}\d|\w)"
_NUMBER = re.compile(rf"(?P<kept>{_UUID}|{_TIME}|{_DATE}|{_RATIO})|\+?\d(?:(?!{_UUID})[\d\s{BETWEEN}]){{5,18}}\d")
"""A number, or what looks like one and stays. An id behind a number does not belong to it."""
_E164 = re.compile(r"\+\d{7,15}")
_DIGITS = re.compile(r"\D")
_HERE = Path(__file__).parents[1]
_USER_ID = re.compile(r"[A-Z]{2}\.(?:ENT\.)?[A-Za-z0-9]{1,128}")
_MESSAGE_ID = r"wamid\.[A-Za-z0-9+/=_-]*"
_USER_ID_IN_TEXT = r"(?<![A-Za-z0-9.])[A-Z]{2}\.(?:ENT\.)?(?=[A-Za-z]*\d{4})[A-Za-z0-9]{6,128}(?![A-Za-z0-9])"
_PRIVATE_ID = re.compile(f"(?i:{_MESSAGE_ID})|{_USER_ID_IN_TEXT}")
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{12,}")
_LONG_NUMBER = re.compile(r"\d{7,15}")
_URL_SAFE = str.maketrans("-_", "+/")
_DIGEST = 12
_PLAIN_WORD = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f"  # Cc: C0, DEL and C1
    + FORMAT
    + "\u2028\u2029\ud800-\udfff]"  # line and paragraph separators, lone surrogates
)
_NOT_ASCII = re.compile("[^\x00-\x7f]")


def mask_number(number: str) -> str:
    """Return `+1312•••0001` for `+13125550001`. Only the last two of up to 8 characters stay.

    Other addresses of people are masked too: `US.•••1918` of a WhatsApp user, `•••@example.com` of an e-mail.
    """
    if "@" in number:
        return f"•••@{number.rpartition('@')[2]}"
    if len(number) <= 8:
        return f"•••{number[-2:]}"
    if is_user_id(number):
        return f"{number[:3]}•••{number[-4:]}"
    return f"{number[:5]}•••{number[-4:]}"


def is_user_id(text: object) -> bool:
    """Return whether this is a WhatsApp user's id (BSUID), such as `US.13491208655302741918`.

    Source: SDK 4.189, `MessagingInboundMessagePayload.body`.
    """
    return isinstance(text, str) and _USER_ID.fullmatch(text) is not None


def mask_numbers(text: str) -> str:
    """Mask possible phone numbers in a foreign text, such as an error's detail: 7 digits or more in a row.

    The ids of WhatsApp users and messages are masked too. UUIDs stay, since people search by them,
    and so do dates (`2026-11-22 07:15`) and ratios (`250/1000`).
    """
    return _NUMBER.sub(_masked_if_long, mask_ids(text))


def replace_numbers(text: str, replace: Callable[[str], str]) -> str:
    """Replace possible phone numbers in an id or another name. The digits of a UUID or a date are none."""
    return _NUMBER.sub(lambda match: match[0] if match["kept"] else replace(match[0]), text)


def mask_e164(text: str) -> str:
    """Mask the numbers with a plus in a text of ours that must otherwise stay unchanged, such as a command."""
    return _E164.sub(lambda match: mask_number(match[0]), text)


def describe_error(error: BaseException) -> str:
    """Return an error's type and place, for logs and records: `KeyError at my_handlers.py:12 in auto_reply`."""
    return f"{type(error).__name__} at {place(error)}"


def place(error: BaseException) -> str:
    """Return the place that raised an error: `my_handlers.py:12 in auto_reply`.

    The author's own code comes first, then Ringback's. The error's text is left out: it may quote a message.
    """
    if isinstance(error, SyntaxError) and error.filename is not None:
        # Its frames are those of Python's own import.
        return f"{Path(error.filename).name}:{error.lineno}"
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if is_authors(frame.filename)] or [
        frame for frame in frames if Path(frame.filename).is_relative_to(_HERE)
    ]
    if not frames:
        return "an unknown place"
    frame = own[-1] if own else frames[-1]
    return f"{Path(frame.filename).name}:{frame.lineno} in {frame.name}"


def is_authors(filename: str) -> bool:
    """Return whether a file is neither Ringback's, nor a library's, nor Python's own."""
    if filename.startswith("<") or "site-packages" in filename:
        return False
    elsewhere = (_HERE, Path(sysconfig.get_path("stdlib")))
    return not any(Path(filename).is_relative_to(folder) for folder in elsewhere)


def _masked_if_long(match: re.Match[str]) -> str:
    digits = _DIGITS.sub("", match[0])
    if match["kept"] or len(digits) < 7:
        return match[0]
    return mask_number(("+" if match[0].startswith("+") else "") + digits)


def gives_away(text: str) -> bool:
    """Return whether a text holds an id of a WhatsApp user or message, or base64 of a phone number."""
    return _PRIVATE_ID.search(text) is not None or any(_LONG_NUMBER.search(each) for each in decoded(text))


def mask_ids(text: str) -> str:
    """Return a text with its ids masked: `US.•••1918`, `wamid.•••`. Each id has a dot, and most texts have none."""
    return _PRIVATE_ID.sub(_masked_id, text) if "." in text else text


def decoded(text: str) -> Iterator[str]:
    """Yield the base64 in a text, decoded. Bytes beyond ASCII become letters."""
    for match in _BASE64.finditer(text):
        coded = match[0].translate(_URL_SAFE)
        whole = coded[: len(coded) - (len(coded) % 4 == 1)]
        yield base64.b64decode(whole + "=" * (-len(whole) % 4)).decode("latin-1")


def _masked_id(found: re.Match[str]) -> str:
    return "wamid.•••" if found[0].lower().startswith("wamid.") else f"{found[0][:3]}•••{found[0][-4:]}"


def printable(text: str) -> str:
    r"""Return a text on one line, each control and format character as an escape: `\n`, `\x1b`, `\u202e`."""
    return _UNSAFE.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def printable_lines(text: str) -> str:
    """Return a text of ours that may have several lines, with each line made printable."""
    return "\n".join(map(printable, text.split("\n")))


def printable_json(text: str) -> str:
    """Return JSON that says the same, its control and format characters as JSON's own escapes. Line breaks stay.

    Between its strings JSON holds no such character but a line break, so each one stands in a string.
    """
    return _UNSAFE.sub(_json_escaped, text)


def ascii_json(text: str) -> str:
    """Return JSON that says the same in ASCII, which every encoding has."""
    return _NOT_ASCII.sub(_json_escaped, text)


@lru_cache(maxsize=256)
def shown_type(event_type: str) -> str:
    """Return an event type for people to read: at most 128 printable characters.

    A longer one ends in a digest, so that two of them differ.
    """
    text = printable(event_type)
    if len(text) <= LONGEST_TYPE:
        return text
    digest = hashlib.sha256(event_type.encode(errors="surrogatepass")).hexdigest()[:_DIGEST]
    return f"{text[: LONGEST_TYPE - _DIGEST - 1]}…{digest}"


def plain_word(text: str) -> str:
    """Return a plain word, such as a status. Anything that may be a text or a number becomes `•••`."""
    return text if _PLAIN_WORD.fullmatch(text) and mask_numbers(text) == text else "•••"


def _json_escaped(found: "re.Match[str]") -> str:
    if found[0] == "\n":
        return "\n"
    units = found[0].encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[start : start + 2].hex()}" for start in range(0, len(units), 2))
