"""Files of opt-outs: a number on each line and, after a comma, when it opted out."""

import csv
from pathlib import Path

import typer

from service.cli.numbers import number_or_short_code
from service.events import read_time
from service.events.consent import ConsentChange


class UnfitFile(Exception):
    """A file that cannot be imported. The text names file, line and field, and quotes no number."""


def read_opt_out_file(path: Path) -> list[ConsentChange]:
    """Return the opt-outs in a file, without blank lines, lines that begin with `#` and a first line of column names.

    Raises:
        UnfitFile: it cannot be read, or a line is invalid.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UnfitFile(f"{path}: cannot be read as UTF-8 text ({type(error).__name__})") from None
    words = [_word(path, place, line) for place, line in enumerate(lines, start=1) if _says_something(place, line)]
    if not words:
        raise UnfitFile(f"{path}: holds no number")
    return words


def _says_something(place: int, line: str) -> bool:
    text = line.strip()
    is_header = place == 1 and not any(character.isdigit() for character in text)
    return bool(text) and not text.startswith("#") and not is_header


def _word(path: Path, place: int, line: str) -> ConsentChange:
    number, *others = next(csv.reader([line]))
    when = others[0].strip() if others else ""
    try:
        opted_out = number_or_short_code(number)
    except typer.BadParameter as error:
        raise UnfitFile(f"{path}, line {place}, number: {error.message}") from None
    since = read_time(when) if when else None
    if when and since is None:
        raise UnfitFile(f"{path}, line {place}, time: give an ISO 8601 date, such as 2026-01-31T12:00:00Z, or none")
    return ConsentChange(opted_out, "out", since.timestamp() if since else None, "import")
