"""All output of commands, and their questions. No other module prints, since foreign text may steer a terminal.

Control and format characters are written as escapes, and Rich's markup is off. A test finds every other way of printing
in `service/cli`.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

import orjson
import typer
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from service.security.masking import printable, printable_json, printable_lines

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

Cell = str | Sequence[str] | Text
"""A text on one line, several lines, or a coloured text."""
UNLIMITED = 10_000
"""Characters in a line where no terminal sets a limit."""


def say(*lines: str, err: bool = False) -> None:
    """Print lines. A line break within one of them is an escape, so that no text can pretend to be a line."""
    typer.echo("\n".join(map(printable, lines)), err=err)


FAILED, BAD_USAGE = 1, 2
"""Exit codes: of an unmet condition, and of bad usage or configuration."""


def fail(*lines: str, code: int = FAILED) -> NoReturn:
    """Print lines on standard error, and end the command with an exit code."""
    say(*lines, err=True)
    raise typer.Exit(code)


def say_block(text: str, *, err: bool = False) -> None:
    """Print a text that has several lines of its own."""
    typer.echo(printable_lines(text), err=err)


def say_json(value: Any, *, indent: bool = True) -> None:
    """Print a value as JSON, its control and format characters as JSON's own escapes."""
    say_json_text(orjson.dumps(value, option=orjson.OPT_INDENT_2 if indent else 0) + b"\n")


def say_json_text(text: bytes) -> None:
    """Print JSON, or lines of JSON."""
    typer.echo(printable_json(text.decode()), nl=False)


def confirm(question: str, *, yes: bool, dry_run: bool = False, on_record: bool = True) -> None:
    """Continue if a person agrees, or did so by --yes, and put that on record. Otherwise end with exit code 1.

    A command that must change nothing says `on_record=False`. Without input nobody has agreed. In a dry run nobody is
    asked, since nothing may be changed.

    Raises:
        redis.exceptions.RedisError: nothing was recorded, so the command must not go on.
    """
    if dry_run:
        end_dry_run()
    # Asked on standard error, so that the output stays whole.
    if not yes and not typer.confirm(printable(question), err=True):
        say("Nothing was changed.")
        raise typer.Exit(1)
    if not on_record:
        return
    from service.cli.on_record import put_on_record  # noqa: PLC0415 - it prints by this module

    put_on_record(asked=question)


def ask_password() -> str:
    """Ask for a password twice, without showing it."""
    return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True))


def ask_secret(question: str) -> str:
    """Ask for a line without showing it. Empty is an answer too."""
    return str(typer.prompt(printable(question), default="", show_default=False, hide_input=True, err=True)).strip()


def ask(question: str) -> str:
    """Ask for a line. Empty is an answer too."""
    return str(typer.prompt(printable(question), default="", show_default=False, err=True)).strip()


def ask_whether(question: str, default: bool) -> bool:
    """Ask a question with yes or no."""
    return typer.confirm(printable(question), default=default, err=True)


def end_dry_run() -> NoReturn:
    """End a command that would change something, and say why it did not."""
    fail("RINGBACK_DRY_RUN is set: nothing was changed.")


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
    """Print a table. A text that is too long is folded, in the first column last, and never cut."""
    first, *others = (Column(name, overflow="fold") for name in columns)
    first.no_wrap = True
    _print_rows(Table(first, *others, box=None, pad_edge=False), rows)


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
