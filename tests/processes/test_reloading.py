"""A process that works in forks: a new one at SIGHUP, none left at the end."""

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.processes.children import kill, python, runs
from tests.waiting import wait_for

WORK = """
import os, signal, sys
from service.processes.reloading import Reloader
journal, overlap, ending = sys.argv[1:]
code = Reloader(overlap=overlap == "True").run()
if code is not None:
    sys.exit(code)
def note(what):
    with open(journal, "a") as file:
        file.write(f"{what} {os.getpid()}\\n")
def leave(*_):
    note("left")
    sys.exit(0)
signal.signal(signal.SIGTERM, leave)
note("began")
if ending != "waits":
    sys.exit(int(ending))
while True:
    # A signal that comes just before a wait without an end would be handled at that end only.
    signal.sigtimedwait([], 0.05)
"""


def noted(journal: Path, what: str) -> list[int]:
    lines = [line.split() for line in journal.read_text().splitlines()] if journal.exists() else []
    return [int(pid) for word, pid in lines if word == what]


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "journal"


def began(journal: Path, number: int) -> Any:
    return wait_for(lambda: len(pids) == number and pids if (pids := noted(journal, "began")) else None)


@pytest.mark.parametrize("overlap", [True, False])
def test_each_hangup_ends_one_fork_and_begins_another(journal: Path, *, overlap: bool) -> None:
    with python(WORK, journal, overlap, "waits") as parent:
        [first] = began(journal, 1)
        parent.send_signal(signal.SIGHUP)
        _, second = began(journal, 2)
        assert wait_for(lambda: noted(journal, "left")) == [first]
        assert (runs(second), parent.poll()) == (True, None)
        parent.send_signal(signal.SIGTERM)
        assert parent.wait(10) == 0
        assert noted(journal, "left") == [first, second]


def test_a_fork_that_only_a_change_can_help_is_waited_for(journal: Path) -> None:
    with python(WORK, journal, True, 2) as parent:
        began(journal, 1)
        wait_for(lambda: not runs(noted(journal, "began")[0]))
        parent.send_signal(signal.SIGHUP)
        began(journal, 2)
        assert parent.poll() is None
        parent.send_signal(signal.SIGTERM)
        assert parent.wait(10) == 0


def test_the_parent_ends_as_its_fork_did(journal: Path) -> None:
    with python(WORK, journal, True, 1) as parent:
        assert parent.wait(10) == 1


def test_no_fork_outlives_a_killed_parent(journal: Path) -> None:
    with python(WORK, journal, True, "waits") as parent:
        [fork] = began(journal, 1)
        kill(parent.pid)
        wait_for(lambda: not runs(fork))
        assert noted(journal, "left") == [fork]
        assert fork != os.getpid()
