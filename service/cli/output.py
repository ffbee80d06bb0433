"""All output of commands: nothing reaches a terminal but through here, since texts of strangers may steer it.

Control and format characters are written as escapes, and markup of Rich's is none. A command cannot forget that: a test
finds every other way of printing in `service/cli`.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import orjson
import typer
from rich.console import Console
from rich.progress import Progress

from service.security.masking import printable, printable_json, printable_lines

UNLIMITED = 10_000
"""Characters in a line where no terminal sets a limit."""


def say(*lines: str, err: bool = False) -> None:
    """Print lines; what breaks a line within one of them is an escape, so that no text can pretend to be a line."""
    typer.echo("\n".join(map(printable, lines)), err=err)


def say_block(text: str, *, err: bool = False) -> None:
    """Print a text that has several lines of its own."""
    typer.echo(printable_lines(text), err=err)


def say_json(value: Any, *, indent: bool = True) -> None:
    """Print a value as JSON, its control and format characters as JSON's own escapes."""
    say_json_text(orjson.dumps(value, option=orjson.OPT_INDENT_2 if indent else 0) + b"\n")


def say_json_text(text: bytes) -> None:
    """Print what is JSON, or lines of JSON, already."""
    typer.echo(printable_json(text.decode()), nl=False)


def ask_person(question: str) -> bool:
    """Ask a person on standard error, so that the output stays whole; nobody to ask ends the command with code 1."""
    return typer.confirm(printable(question), err=True)


def console(*, err: bool = False) -> Console:
    """Return Rich's console; where no terminal sets a limit, its lines are as long as they need to be."""
    found = Console(stderr=err, markup=False, emoji=False)
    return found if found.is_terminal else Console(stderr=err, markup=False, emoji=False, width=UNLIMITED)


@contextmanager
def progress(what: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """Show a progress bar on standard error if that is a terminal; without a total it only counts."""
    done = 0

    def advance(more: int) -> None:
        nonlocal done
        done += more
        update(done, total)

    with _bar(what, total) as update:
        yield advance


@contextmanager
def progress_of_pages(what: str) -> Iterator[Callable[[int, int | None], None]]:
    """Show how many pages of how many were read, once it is known that there are several."""
    with _bar(what, 1) as update:
        yield update


@contextmanager
def working(what: str) -> Iterator[None]:
    """Show on a terminal that something takes its time."""
    with console().status(printable(what)):
        yield


@contextmanager
def _bar(what: str, total: int | None) -> Iterator[Callable[[int, int | None], None]]:

    screen = console(err=True)
    with Progress(console=screen, transient=True, disable=not screen.is_terminal) as bar:
        task = bar.add_task(printable(what), total=total, visible=total != 1)
        yield lambda done, of: bar.update(task, completed=done, total=of, visible=of != 1)
