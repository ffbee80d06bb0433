"""The group of all commands. It imports a command's module when that command, or its help, is asked for."""

import functools
import re
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command, get_current_context, get_group  # type: ignore[attr-defined]

from service.cli.commands import COMMANDS, epilog
from service.outbound.sdk_on_demand import load_sdk_on_demand
from service.security.masking import printable_lines

REVEAL = "reveal"
"""The parameter of commands that show numbers and texts in full."""
_SURROGATE = re.compile("[\ud800-\udfff]")


class CommandGroup(TyperGroup):
    """A group that prints no foreign text raw: the reason for a refused value may quote one."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was named."""
        try:
            return super().invoke(ctx)
        except typer.BadParameter as error:
            error.message = printable_lines(error.message)
            raise


class LazyGroup(CommandGroup):
    """The commands of `COMMANDS`."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands: Any = LazyCommands()

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Refuse an empty text anywhere, before any command reads it: it would count as an option left out."""
        _refuse_empty(ctx, args)
        return super().parse_args(ctx, args)

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - Click's signature
        """Return the names without an import."""
        return list(self.commands)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Show the lines of the table, so that the list imports no command."""
        self._listed().format_help(ctx, formatter)

    def shell_complete(self, ctx: Any, incomplete: str) -> Any:
        """Return the names that begin so, without an import too: a shell asks at each key."""
        listed = self._listed()
        return listed.shell_complete(type(ctx)(listed, info_name=ctx.info_name, resilient_parsing=True), incomplete)

    def _listed(self) -> TyperGroup:
        lines: Any = {name: TyperCommand(name, help=line) for name, (_, line) in COMMANDS.items()}
        return TyperGroup(name=self.name, commands=lines, help=self.help, params=self.params)


class LazyCommands(Mapping[str, TyperCommand | TyperGroup]):
    """Commands by name. Each look-up imports one."""

    def __getitem__(self, name: str) -> TyperCommand | TyperGroup:
        # Before the command imports the SDK, which takes a second where it is loaded whole.
        load_sdk_on_demand()
        return _command(name, getattr(import_module(COMMANDS[name][0]), name))

    def __iter__(self) -> Iterator[str]:
        return iter(COMMANDS)

    def __len__(self) -> int:
        return len(COMMANDS)


def _refuse_empty(ctx: Any, args: list[str]) -> None:
    """Refuse `--type ""`, as a script writes it by a variable that is not set: it would select everything.

    Raises:
        typer.BadParameter: an argument or the value of an option is empty.
    """
    for position, text in enumerate(args):
        option, equals, value = text.partition("=")
        is_given = value.strip() if option.startswith("--") and equals else text.strip()
        if not is_given:
            before = args[position - 1] if position else ""
            named = option.strip() or (before if before.startswith("-") else "")
            told = "an empty text is no value: leave it out, or give one"
            raise typer.BadParameter(told, ctx=ctx, param_hint=f"'{named}'" if named else None)


def _refusing_odd_texts(command: Any, callback: Any) -> Any:
    """Return a command's function that first refuses texts that are not UTF-8: nothing can store or send them.

    Paths may be of any bytes, and come as `Path`.

    Raises:
        typer.BadParameter: an argument or the value of an option is no UTF-8.
    """

    @functools.wraps(callback)
    def run(**given: Any) -> Any:
        for parameter in command.params:
            if not _is_text(given.get(parameter.name)):
                told = "it is not UTF-8: give it once more, on a terminal in UTF-8"
                raise typer.BadParameter(told, ctx=get_current_context(), param=parameter)
        return callback(**given)

    return run


def _is_text(value: Any) -> bool:
    """Return whether each text in a value is one. Python reads a byte that is no UTF-8 as a lone surrogate."""
    if isinstance(value, list | tuple):
        return all(map(_is_text, value))
    return not isinstance(value, str) or value.isascii() or _SURROGATE.search(value) is None


def _command(name: str, defined: Any) -> TyperCommand | TyperGroup:
    """Return a group or a function as a command of this name."""
    if isinstance(defined, typer.Typer):
        command: Any = get_group(defined)
    else:
        alone = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
        alone.command(name)(defined)
        command = get_command(alone)
    command.name = name
    for path, each in _paths(command, name):
        each.epilog = epilog(path)
    for each in _leaves(command):
        if any(parameter.name == REVEAL for parameter in each.params):
            each.callback = _on_record_if_revealing(each.callback)
        if each.callback is not None:
            # Before that record, which could not be written.
            each.callback = _refusing_odd_texts(each, each.callback)
    return command  # type: ignore[no-any-return]


def _paths(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Yield a command and those of a group, each with its words after `ringback`."""
    yield path, command
    for name, each in getattr(command, "commands", {}).items():
        yield from _paths(each, f"{path} {name}")


def _leaves(command: Any) -> Iterator[Any]:
    """Yield a command, or those of a group at any depth."""
    yield command
    for each in getattr(command, "commands", {}).values():
        yield from _leaves(each)


def _on_record_if_revealing(callback: Any) -> Any:
    """Return a command's function that first records what a person is about to see in full."""

    @functools.wraps(callback)
    def run(**given: Any) -> Any:
        if given[REVEAL]:
            from service.cli.on_record import put_on_record  # noqa: PLC0415 - `ringback --help` starts without it

            # Without a Ringback here, no data of one is shown.
            put_on_record(warn=False)
        return callback(**given)

    return run
