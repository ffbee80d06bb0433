"""What a process writes to a real terminal."""

import os
import pty
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.cli.deployment import ROOT


def on_terminal(
    *arguments: str,
    environment: Mapping[str, str] | None = None,
    answer: str = "",
    replies: Sequence[tuple[str, str]] = (),
    cwd: Path | None = None,
) -> str:
    """What Python, run with these arguments on a terminal of its own, shows there.

    A person types `answer` at once, and each of `replies`, a question and a line, once the question is shown.
    """
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, *arguments],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "TERM": "xterm", "COLUMNS": "200"}
        | dict(environment or {}),
        cwd=cwd,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    os.write(ours, answer.encode())
    shown, read, left = b"", 0, list(replies)
    while piece := _read(ours):
        shown += piece
        while left and (found := shown.find(left[0][0].encode(), read)) >= 0:
            read = found + len(left[0][0])
            os.write(ours, f"{left.pop(0)[1]}\n".encode())
    os.close(ours)
    process.wait(30)
    return shown.decode().replace("\r\n", "\n")


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # how Linux says that nobody has it open any more
        return b""
