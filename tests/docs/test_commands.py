"""Every `ringback` command and option that a page names exists."""

import re
import shlex
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import typer.main

from service.cli import app
from service.testing import sample
from service.testing.samples.edits import remove_field

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "examples").rglob("*.md")])
CODE = re.compile(r"^```(?:sh|console)?\n(.*?)^```$|`([^`]+)`", re.MULTILINE | re.DOTALL)


def named() -> list[str]:
    """The command lines in code spans and code blocks of all pages, from `ringback` on."""
    return sorted({line for page in PAGES for line in _lines(page.read_text())})


def _lines(text: str) -> Iterator[str]:
    for block, span in CODE.findall(text):
        for line in (block or " ".join(span.split())).splitlines():
            found = re.match(r"(?:[$] )?(?:[A-Z_]+=\S+ )*(?:\.venv/bin/)?(ringback\b .*)", line)
            if found:
                yield found[1]


def resolve(line: str) -> tuple[Any, list[str]]:
    """Return the command that a line names, and the words after it."""
    _, *words = shlex.split(line, comments=True)
    command: Any = typer.main.get_command(app)
    while words and hasattr(command, "commands") and words[0] in command.commands:
        command = command.commands[words.pop(0)]
    return command, words


@pytest.mark.parametrize("line", named())
def test_a_command_and_its_options_exist(line: str) -> None:
    command, words = resolve(line)
    assert command.name not in {None, "ringback"}, "no such command"
    assert not hasattr(command, "commands") or not words or words[0].startswith("-"), "no such command in the group"
    known = {option for parameter in command.params for option in parameter.opts}
    assert [word for word in words if word.startswith("--") and word not in known] == []


def test_a_page_sets_and_removes_only_fields_that_the_sample_has() -> None:
    edits = [
        (words[0], path.partition("=")[0])
        for command, words in map(resolve, named())
        if command.name == "trigger"
        for option, path in pairwise(words)
        if option in {"--set", "--remove"} and path != "PATH=VALUE"
    ]
    assert len(edits) >= 3
    for name, path in edits:
        remove_field(sample(name), path)  # raises where there is none


def test_the_pages_name_many_commands() -> None:
    assert len(named()) > 60
