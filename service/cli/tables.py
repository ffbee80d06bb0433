"""Tables for people, on standard output."""

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

UNLIMITED = 10_000
"""Characters in a line where no terminal sets a limit."""


def line_width() -> int:
    """How many characters fit into a line of the output."""
    return _console().width


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table; what does not fit is folded, the first column last, and never cut."""
    first, *others = (Column(name, overflow="fold") for name in columns)
    first.no_wrap = True
    table = Table(first, *others, box=None, pad_edge=False)
    for row in rows:
        # As Text, since brackets in an id or an error are no markup.
        table.add_row(*map(Text, row))
    _console().print(table)


def _console() -> Console:
    console = Console()
    return console if console.is_terminal else Console(width=UNLIMITED)
