"""Phone numbers on the command line: how they are read, and how they are shown."""

from pathlib import Path
from typing import Any

import typer

from service.cli.output import say_json
from service.events.nested_json import transform
from service.events.phone_number import canonical_number
from service.security.masking import mask_e164, mask_ids, mask_number
from service.security.number_digests import is_number

HOW = "+ and the country code, such as +13125550001, or a short code of 3 to 6 digits"


def e164(text: str) -> str:
    """Return a number in the form that Telnyx takes, which is the only spelling accepted.

    Raises:
        typer.BadParameter: it has another form.
    """
    if not (text.startswith("+") and canonical_number(text) == text):
        raise typer.BadParameter(f"{text!r} is no number such as +13125550001: a plus, the country code, no blanks")
    return text


def number_or_short_code(text: str) -> str:
    """Return a number as people write it, without punctuation.

    Raises:
        ValueError: it is no number in international form, and no short code.
    """
    number = canonical_number(text)
    # Without its plus, a national form would be read as somebody else's number.
    if number is None or number.startswith("+") != text.strip().startswith("+"):
        raise ValueError(f"give {HOW}")
    return number


def number_argument(text: str) -> str:
    """Return the same as `number_or_short_code`, for an argument.

    Raises:
        typer.BadParameter: it is neither.
    """
    try:
        return number_or_short_code(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="NUMBER") from None


def searched_number(text: str) -> str:
    """Return a number in any spelling, to search for: digests find the others.

    Raises:
        typer.BadParameter: it cannot be a number.
    """
    if not is_number(text):
        raise typer.BadParameter("give a number such as +13125550001, or a short code")
    return text


def numbers_in(file: Path) -> list[str]:
    """Return the numbers in a file, one a line, without blank lines.

    Raises:
        typer.BadParameter: a line is no number; the line's number is named.
    """
    lines = enumerate(map(str.strip, file.read_text(errors="replace").splitlines()), start=1)
    return [_in_line(file, position, line) for position, line in lines if line]


def _in_line(file: Path, position: int, line: str) -> str:
    try:
        return e164(line)
    except typer.BadParameter:
        # Without the text of the line, which may be anything.
        raise typer.BadParameter(f"{file.name}, line {position}: no number such as +13125550001") from None


def shown(number: str | None, *, reveal: bool) -> str:
    """Return a number as it may be shown, or `-` where there is none."""
    if number is None:
        return "-"
    return number if reveal else mask_number(number)


def shown_within(value: Any, *, reveal: bool) -> Any:
    """Return an answer of Telnyx's for machines, with the numbers in it as they may be shown."""
    if reveal:
        return value
    return transform(value, lambda leaf, _: mask_e164(mask_ids(leaf)) if isinstance(leaf, str) else leaf)


def print_json(value: Any, *, reveal: bool) -> None:
    """Print an answer of Telnyx's for machines, with the numbers in it as they may be shown."""
    say_json(shown_within(value, reveal=reveal))
