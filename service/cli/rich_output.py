"""The tables, colours and progress bars of commands. Rich's markup is off, since foreign text may steer a terminal."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from rich.console import Console
from rich.padding import Padding
from rich.table import Column, Table
from rich.text import Text

from service.security.masking import printable

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

Cell = str | Sequence[str] | Text
"""A text on one line, several lines, or a coloured text."""
UNLIMITED = 10_000
"""Characters in a line where no terminal sets a limit."""
NARROWEST_COLUMN = 8
"""Characters for each column after the first, below which a table is printed as blocks."""


def console(*, err: bool = False) -> Console:
    """Return Rich's console. Where no terminal sets a limit, its lines are as long as they need to be."""
    found = Console(stderr=err, markup=False, emoji=False)
    return found if found.is_terminal else Console(stderr=err, markup=False, emoji=False, width=UNLIMITED)


@contextmanager
def progress(doing: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """Show a progress bar on standard error if that is a terminal. Without a total it only counts."""
    with _bar(doing, total) as (bar, task):
        yield partial(bar.advance, task)


@contextmanager
def progress_of_pages(doing: str) -> Iterator[Callable[[int, int | None], None]]:
    """Show how many pages of how many were read, once it is known that there are several."""
    with _bar(doing, 1) as (bar, task):
        yield lambda done, total: bar.update(task, completed=done, total=total, visible=total != 1)


@contextmanager
def _bar(doing: str, total: int | None) -> Iterator[tuple["Progress", "TaskID"]]:
    from rich.progress import Progress  # noqa: PLC0415 - a megabyte that no process needs that serves

    screen = console(err=True)
    with Progress(console=screen, transient=True, disable=not screen.is_terminal) as bar:
        yield bar, bar.add_task(printable(doing), total=total, visible=total != 1)


def print_table(columns: Sequence[str], rows: Iterable[Sequence[Cell]]) -> None:
    """Print a table. A text that is too long is folded, in the first column last, and never cut.

    On a terminal that is too narrow for columns, each row is a block of lines.
    """
    texts = [[_as_text(cell) for cell in row] for row in rows]
    if _is_too_narrow(columns, texts):
        _print_blocks(columns, texts)
        return
    first, *others = (Column(name, overflow="fold") for name in columns)
    first.no_wrap = True
    _print_rows(Table(first, *others, box=None, pad_edge=False), texts)


def _is_too_narrow(columns: Sequence[str], rows: Sequence[Sequence[Text]]) -> bool:
    """Return whether a terminal leaves the columns after the first too little room for words."""
    first = max(Text(columns[0]).cell_len, *(line.cell_len for row in rows for line in row[0].split("\n")), 0)
    others = len(columns) - 1
    return console().width - first - 2 * others < NARROWEST_COLUMN * others


def _print_blocks(columns: Sequence[str], rows: Sequence[Sequence[Text]]) -> None:
    """Print each row as its first text, and below it the others with the names of their columns."""
    screen = console()
    for first, *others in rows:
        screen.print(first, overflow="fold")
        for name, text in zip(columns[1:], others, strict=False):
            if text:
                named = Text.assemble(f"{name}: ", text) if name else text
                screen.print(Padding(named, (0, 0, 0, 2)), overflow="fold")


def print_boxed_table(columns: Sequence[str], rows: Iterable[Sequence[Cell]], *, width: int) -> None:
    """Print a table with lines around it, `width` characters wide where no terminal sets another width."""
    _print_rows(Table(*columns), rows, width=width)


def _print_rows(table: Table, rows: Iterable[Sequence[Cell]], *, width: int | None = None) -> None:
    for row in rows:
        table.add_row(*map(_as_text, row))
    screen = console()
    screen.print(table, width=None if screen.is_terminal else width)


def print_coloured(*texts: Cell) -> None:
    """Print texts on one line."""
    console().print(*map(_as_text, texts), highlight=False, soft_wrap=True)


def coloured(text: str, colour: str) -> Text:
    """Return a text in a colour, for terminals with colours."""
    return Text(printable(text), style=colour)


def _as_text(cell: Cell) -> Text:
    # As Text, since brackets in an id or an error are no markup.
    if isinstance(cell, Text):
        return cell
    return Text("\n".join(map(printable, [cell] if isinstance(cell, str) else cell)))
