"""Phone numbers on the command line: read strictly, shown masked."""

import re
from pathlib import Path
from typing import Annotated, Any

import typer

from service.cli.output import say_json
from service.events.nested_json import transform
from service.security.masking import mask_e164, mask_number
from service.security.private_ids import mask_ids

_E164 = re.compile(r"\+[1-9]\d{6,14}")

Reveal = Annotated[bool, typer.Option("--reveal", help="Show whole phone numbers.")]


def e164(text: str) -> str:
    """A number in the form that Telnyx takes.

    Raises:
        typer.BadParameter: it has another form.
    """
    if not _E164.fullmatch(text):
        raise typer.BadParameter(f"{text!r} is no number such as +13125550001: a plus, the country code, no blanks")
    return text


def numbers_in(file: Path) -> list[str]:
    """The numbers in a file, one a line; blank lines are passed over.

    Raises:
        typer.BadParameter: a line is no number; its own number is named.
    """
    numbers = []
    for position, line in enumerate(file.read_text(errors="replace").splitlines(), start=1):
        if line.strip() and not _E164.fullmatch(line.strip()):
            raise typer.BadParameter(f"{file.name}, line {position}: no number such as +13125550001")
        if line.strip():
            numbers.append(line.strip())
    return numbers


def shown(number: str | None, *, reveal: bool) -> str:
    """A number as it may be shown; `-` where there is none."""
    if number is None:
        return "-"
    return number if reveal else mask_number(number)


def shown_within(value: Any, *, reveal: bool) -> Any:
    """An answer of Telnyx's, for machines, with the numbers in it as they may be shown."""
    if reveal:
        return value
    return transform(value, lambda leaf, _: mask_e164(mask_ids(leaf)) if isinstance(leaf, str) else leaf)


def print_json(value: Any, *, reveal: bool) -> None:
    """Print an answer of Telnyx's for machines, with the numbers in it as they may be shown."""
    say_json(shown_within(value, reveal=reveal))
