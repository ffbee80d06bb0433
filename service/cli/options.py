"""The options and arguments that several commands take, and phone numbers on the command line."""

from pathlib import Path
from typing import Annotated

import typer

from service.events.phone_number import canonical_number
from service.security.numbers import is_number

HOW = "+ and the country code, such as +13125550001, or a short code of 3 to 6 digits"


def e164(text: str) -> str:
    """Return a number in the form that Telnyx takes, the only spelling accepted.

    Raises:
        typer.BadParameter: it has another form.
    """
    if not (text.startswith("+") and canonical_number(text) == text):
        raise typer.BadParameter(f"{text!r} is no number such as +13125550001: a plus, the country code, no blanks")
    return text


def number_or_short_code(text: str) -> str:
    """Return a number as people write it, without punctuation.

    Raises:
        typer.BadParameter: it is no number in international form, and no short code.
    """
    number = canonical_number(text)
    # Without its plus, a national form would be read as somebody else's number.
    if number is None or number.startswith("+") != text.strip().startswith("+"):
        raise typer.BadParameter(f"give {HOW}", param_hint="NUMBER")
    return number


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
        typer.BadParameter: a line is no number. The text names the line.
    """
    found = []
    for position, line in enumerate(file.read_text(errors="replace").splitlines(), start=1):
        try:
            found += [e164(line.strip())] if line.strip() else []
        except typer.BadParameter:
            # Without the text of the line, which may be anything.
            raise typer.BadParameter(f"{file.name}, line {position}: no number such as +13125550001") from None
    return found


YesOption = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
RevealOption = Annotated[bool, typer.Option("--reveal", help="Show phone numbers and texts in full.")]
LimitOption = Annotated[int, typer.Option("--limit", help="How many at most.", min=1)]
E164Argument = Annotated[str, typer.Argument(metavar="NUMBER", help="A number such as +13125550001.", parser=e164)]
EventIdArgument = Annotated[str, typer.Argument(metavar="ID", help="The id of an event.")]
NumberArgument = Annotated[str, typer.Argument(metavar="NUMBER", help="Such as +13125550001, or a short code.")]
