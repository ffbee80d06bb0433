"""What logs, metrics and kept errors may show: of a phone number, and of an exception."""

import re
import sysconfig
import traceback
from pathlib import Path

_NUMBER = re.compile(r"\+?\d[\d\s().-]{5,18}\d")
_DIGITS = re.compile(r"\D")


def mask_number(number: str) -> str:
    """`+13125550001` as `+1312•••0001`; of a short one (up to 8 characters) only the last two stay."""
    if len(number) <= 8:
        return f"•••{number[-2:]}"
    return f"{number[:5]}•••{number[-4:]}"


def mask_numbers(text: str) -> str:
    """Mask whatever in a foreign text (an error's detail, say) may be a phone number: 7 digits or more in a row."""
    return _NUMBER.sub(_masked_if_long, text)


def told(error: BaseException) -> str:
    """An exception as logs and records may tell of it: `KeyError at my_handlers.py:12 in auto_reply`."""
    return f"{type(error).__name__} at {place(error)}"


def place(error: BaseException) -> str:
    """Where an error was raised, in the author's own code if it passed there: `my_handlers.py:12 in auto_reply`.

    The error's text is left out: it may quote a message or a number.
    """
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if _is_authors(frame.filename)]
    if not frames:
        return "an unknown place"
    frame = own[-1] if own else frames[-1]
    return f"{Path(frame.filename).name}:{frame.lineno} in {frame.name}"


def _is_authors(filename: str) -> bool:
    """Whether a file is neither Ringback's, nor a library's, nor Python's own."""
    if filename.startswith("<") or "site-packages" in filename:
        return False
    elsewhere = (Path(__file__).parent, Path(sysconfig.get_path("stdlib")))
    return not any(Path(filename).is_relative_to(folder) for folder in elsewhere)


def _masked_if_long(match: re.Match[str]) -> str:
    digits = _DIGITS.sub("", match[0])
    if len(digits) < 7:
        return match[0]
    return mask_number(("+" if match[0].startswith("+") else "") + digits)
