"""A command imports what it needs itself, so that the others start without it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import typer.main
from typer.testing import CliRunner

from service.cli import app
from service.cli.commands import COMMANDS
from tests.cli.deployment import Deployment

LOADED = """
import json, runpy, sys
sys.argv = ["ringback", *sys.argv[1:]]
try:
    runpy.run_module("service.cli", run_name="__main__")
finally:
    print(json.dumps(sorted(sys.modules)), file=sys.stderr)
"""


def modules_of(*command: str, environment: dict[str, str] | None = None, folder: Path | None = None) -> set[str]:
    """The modules that a process has loaded at the end of this command."""
    ran = subprocess.run(
        [sys.executable, "-c", LOADED, *command],
        capture_output=True,
        text=True,
        env=environment,
        cwd=folder,
        check=True,
    )
    return set(json.loads(ran.stderr.splitlines()[-1]))


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_of_commands_shows_each_with_its_own_help(name: str) -> None:
    command = typer.main.get_group(app).commands[name]
    first_paragraph = str(command.help).split("\n\n", 1)[0].replace("\n", " ")
    assert COMMANDS[name][1] == first_paragraph
    assert command.name == name


def test_the_help_lists_every_command() -> None:
    shown = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "300"})
    assert shown.exit_code == 0
    for name, (_, line) in COMMANDS.items():
        assert any(name in row.split() and line in row for row in shown.output.splitlines()), name


@pytest.mark.parametrize("command", [("--help",), ("--version",)])
def test_the_list_of_commands_imports_none_of_them(command: tuple[str, ...]) -> None:
    loaded = modules_of(*command)
    assert not loaded & {"telnyx", "arq", "redis", "pydantic", "httpx", "service.routing", "service.settings"}
    assert not loaded & {module.partition(":")[0] for module, _ in COMMANDS.values()}


@pytest.mark.parametrize("command", [("config",), ("events", "list"), ("events", "--help"), ("dead", "list")])
def test_a_command_that_asks_redis_alone_starts_without_the_sdk(
    command: tuple[str, ...], deployment: Deployment, tmp_path: Path
) -> None:
    assert not modules_of(*command, environment=deployment.environment, folder=tmp_path) & {"telnyx", "arq"}


def test_a_misspelt_command_is_told_which_one_was_meant() -> None:
    shown = CliRunner().invoke(app, ["docter"])
    assert shown.exit_code == 2
    assert "Did you mean 'doctor'?" in shown.output
