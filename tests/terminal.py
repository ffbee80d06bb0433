"""What a process writes to a real terminal."""

import os
import pty
import subprocess
import sys
from collections.abc import Mapping

from tests.cli.deployment import ROOT


def on_terminal(*arguments: str, environment: Mapping[str, str] | None = None, answer: str = "") -> str:
    """What Python, run with these arguments on a terminal of its own, shows there; a person types `answer`."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, *arguments],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "TERM": "xterm", "COLUMNS": "200"}
        | dict(environment or {}),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    os.write(ours, answer.encode())
    shown = b""
    while piece := _read(ours):
        shown += piece
    os.close(ours)
    process.wait(30)
    return shown.decode().replace("\r\n", "\n")


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # how Linux says that nobody has it open any more
        return b""
