"""The lines that commands print, and their questions. Control and format characters are written as escapes.

No module but this and `rich_output` prints, since foreign text may steer a terminal. A test finds every other way of
printing in `service/cli`. A process that serves needs no table, and so not the memory of Rich.
"""

import sys
from collections.abc import Callable
from typing import Any, NoReturn

import orjson
import typer

from service.security.masking import ascii_json, printable, printable_json, printable_lines


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
    """Print JSON, or lines of JSON. Where the output is not in UTF-8, it is ASCII."""
    shown = printable_json(text.decode())
    typer.echo(shown if sys.stdout.encoding.lower() == "utf-8" else ascii_json(shown), nl=False)


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


def ask_secret(question: str, check: Callable[[str], str]) -> str:
    """Ask for a line without showing it. Empty is an answer too. Ask again as long as `check` raises BadParameter."""
    # The library says that the value is invalid, and not why, since a reason may quote it.
    return str(typer.prompt(printable(question), "", hide_input=True, value_proc=check, show_default=False, err=True))


def ask(question: str, check: Callable[[str], str]) -> str:
    """Ask for a line. Empty is an answer too. Ask again as long as `check` raises BadParameter."""
    return str(typer.prompt(printable(question), "", value_proc=check, show_default=False, err=True))


def ask_whether(question: str, default: bool) -> bool:
    """Ask a question with yes or no."""
    return typer.confirm(printable(question), default=default, err=True)


def end_dry_run() -> NoReturn:
    """End a command that would change something, and say why it did not."""
    fail("RINGBACK_DRY_RUN is set: nothing was changed.")
