"""The parts of phone numbers and exceptions that logs, metrics and kept errors may show."""

import re
import sysconfig
import traceback
from pathlib import Path

from service.events.whatsapp import is_user_id
from service.security.private_ids import mask_ids

_UUID = r"(?<![0-9a-fA-F])[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}"
_TIME = r"(?<![\d+.()-])20\d\d-[01]\d-[0-3]\d(?:[T ][0-2]\d:[0-5]\d)?(?![\d-])"
_NUMBER = re.compile(rf"(?P<kept>{_UUID}|{_TIME})|\+?\d[\d\s().-]{{5,18}}\d")
_E164 = re.compile(r"\+\d{7,15}")
_DIGITS = re.compile(r"\D")
_HERE = Path(__file__).parents[1]


def mask_number(number: str) -> str:
    """`+13125550001` as `+1312•••0001`; of a short one (up to 8 characters) only the last two stay.

    Other addresses of people are masked too: `US.•••1918` of a WhatsApp user, `•••@example.com` of an e-mail.
    """
    if "@" in number:
        return f"•••@{number.rpartition('@')[2]}"
    if len(number) <= 8:
        return f"•••{number[-2:]}"
    if is_user_id(number):
        return f"{number[:3]}•••{number[-4:]}"
    return f"{number[:5]}•••{number[-4:]}"


def mask_numbers(text: str) -> str:
    """Mask whatever in a foreign text (an error's detail, say) may be a phone number: 7 digits or more in a row.

    The ids of WhatsApp users and messages are masked too. UUIDs stay, since people search by them,
    and so do dates (`2026-11-22 07:15`).
    """
    return _NUMBER.sub(_masked_if_long, mask_ids(text))


def mask_e164(text: str) -> str:
    """Mask the numbers with a plus in a text of ours that must otherwise stay unchanged, such as a command."""
    return _E164.sub(lambda match: mask_number(match[0]), text)


def describe_error(error: BaseException) -> str:
    """An exception as logs and records may tell of it: `KeyError at my_handlers.py:12 in auto_reply`."""
    return f"{type(error).__name__} at {place(error)}"


def place(error: BaseException) -> str:
    """Where an error was raised, in the author's own code if it passed there: `my_handlers.py:12 in auto_reply`.

    Else in Ringback's own code, if it passed there. The error's text is left out: it may quote a message or a number.
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
