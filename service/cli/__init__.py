"""The command `ringback`."""

import sys
from contextlib import suppress
from importlib import metadata
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated

import typer

from service.cli.command_group import LazyGroup
from service.cli.output import say
from service.processes.init_process import become_init, is_first_process

app = typer.Typer(
    name="ringback",
    cls=LazyGroup,
    help="Receive Telnyx webhooks, keep every event, and run plain Python handlers on it.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        say(metadata.version("ringback"))
        raise typer.Exit


@app.callback()
def ringback(
    *,
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", is_eager=True, callback=_show_version)
    ] = False,
) -> None:
    """Receive Telnyx webhooks, keep every event, and run plain Python handlers on it."""


def main() -> None:
    """Run the command line. Print a failure that a person can fix as one line, and exit with 2 or 1."""
    if is_first_process():
        become_init()
    _leave_working_directory()
    _replace_what_no_terminal_shows()
    try:
        app()
    except Exception as error:  # noqa: BLE001 - its own text may hold a secret or a message
        from service.cli.failures import exit_with  # noqa: PLC0415 - `ringback --help` starts without its imports

        exit_with(error)


def _replace_what_no_terminal_shows() -> None:
    """Print `?` for a character that the output's encoding lacks, such as `•` in Latin-1, rather than fail at it."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")


def _leave_working_directory() -> None:
    """Import nothing from the working directory, which `python -m` puts first. Only `load_router` looks there."""
    with suppress(OSError):
        here = Path.cwd()
        # A checkout of Ringback is where its own modules are.
        if here != Path(__file__).parents[2]:
            sys.path[:] = [each for each in sys.path if each != "" and Path(each) != here]
