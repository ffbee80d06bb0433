"""Help: `-h` everywhere, examples that can be run as they are, and completion by the shell."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main
from typer.testing import CliRunner

from service.cli import app
from service.cli.commands import COMMANDS, examples
from tests.cli.test_lazy_commands import modules_of
from tests.docs.test_commands import resolve


def paths(command: Any, path: str) -> Iterator[str]:
    yield path
    for name, each in getattr(command, "commands", {}).items():
        yield from paths(each, f"{path} {name}")


ALL = [path for name in COMMANDS for path in paths(typer.main.get_group(app).commands[name], name)]


@pytest.mark.parametrize("path", ["", *ALL])
def test_every_command_has_a_short_option_for_its_help(path: str) -> None:
    shown = CliRunner().invoke(app, [*path.split(), "-h"], env={"COLUMNS": "300"})
    assert (shown.exit_code, "--help" in shown.output) == (0, True)
    assert all(each in shown.output for each in examples().get(path, ()))


def test_nearly_every_command_has_examples_and_every_example_a_command() -> None:
    assert set(examples()) <= set(ALL)
    commands = {path for path in ALL if not any(each.startswith(f"{path} ") for each in ALL)}
    assert len(commands - set(examples())) < len(commands) / 10, commands - set(examples())


@pytest.mark.parametrize(("path", "line"), [(path, line) for path, lines in examples().items() for line in lines])
def test_an_example_is_parsed_as_its_command(tmp_path: Path, path: str, line: str) -> None:
    for file in re.findall(r"\S+\.(?:json|jsonl|toml|txt|pdf)\b", line):
        (tmp_path / file).write_text("")
    command, words = resolve(line.split(" > ", maxsplit=1)[0].removeprefix("HANDLERS=my_handlers:router "))
    assert command.name == path.rsplit(maxsplit=1)[-1]
    with command.make_context(path, words) as context:
        assert context.command is command


def test_the_shell_completes_commands_without_an_import_and_names_of_samples() -> None:
    variables = {"COMP_WORDS": "ringback ev", "COMP_CWORD": "1", "_RINGBACK_COMPLETE": "complete_bash"}
    assert complete(**variables).split() == ["events"]
    assert not modules_of(environment={**variables, "PATH": "/usr/bin:/bin"}) & {
        "redis",
        "telnyx",
        "service.cli.events",
    }
    assert complete(COMP_WORDS="ringback trigger rcs.rea", COMP_CWORD="2").split() == ["rcs.read"]
    assert complete(COMP_WORDS="ringback trigger scenario opt", COMP_CWORD="3").split() == ["opt-out-and-back"]


def test_completion_can_be_installed() -> None:
    shown = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "300"})
    assert {"--install-completion", "--show-completion"} <= set(shown.output.split())


def complete(**variables: str) -> str:
    """What the shell is told."""
    ran = subprocess.run(
        [sys.executable, "-c", "from service.cli import app; app(prog_name='ringback')"],
        env={"PATH": "/usr/bin:/bin", "_RINGBACK_COMPLETE": "complete_bash", **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    return ran.stdout
