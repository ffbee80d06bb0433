"""Tables for people, on standard output."""

from collections.abc import Iterable, Sequence

from rich.table import Column, Table
from rich.text import Text

from service.cli.output import console
from service.security.masking import printable

Cell = str | Sequence[str] | Text
"""A text on one line, several lines, or what `coloured` returns."""


def line_width() -> int:
    """How many characters fit into a line of the output."""
    return console().width


def print_table(columns: Sequence[str], rows: Iterable[Sequence[Cell]]) -> None:
    """Print a table; what does not fit is folded, the first column last, and never cut."""
    first, *others = (Column(name, overflow="fold") for name in columns)
    first.no_wrap = True
    _print(Table(first, *others, box=None, pad_edge=False), rows)


def print_boxed_table(columns: Sequence[str], rows: Iterable[Sequence[Cell]], *, width: int) -> None:
    """Print a table with lines around it, `width` characters wide where no terminal sets another width."""
    _print(Table(*columns), rows, width=width)


def print_coloured(*texts: Cell) -> None:
    """Print texts on one line."""
    console().print(*map(_shown, texts), highlight=False, soft_wrap=True)


def coloured(text: str, colour: str) -> Text:
    """Return a text in a colour, for those terminals that have some."""
    return Text(printable(text), style=colour)


def _print(table: Table, rows: Iterable[Sequence[Cell]], *, width: int | None = None) -> None:
    for row in rows:
        table.add_row(*map(_shown, row))
    screen = console()
    screen.print(table, width=None if screen.is_terminal else width)


def _shown(cell: Cell) -> Text:
    # As Text, since brackets in an id or an error are no markup.
    if isinstance(cell, Text):
        return cell
    return Text("\n".join(map(printable, [cell] if isinstance(cell, str) else cell)))
