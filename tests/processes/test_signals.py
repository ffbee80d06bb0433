"""SIGTERM again and again, as an impatient operator sends it: each process still ends with 0."""

import signal
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

from tests.processes.fleet import open_fleet

HANDLERS = "from service import Router\n\nrouter = Router()\n"
PAUSE = 0.0005
"""Seconds between two signals: the last steps of a process take longer."""
TIMES = 3


def end_impatiently(process: "subprocess.Popen[bytes]") -> int:
    """Send SIGTERM until the process has ended. Return its exit code."""
    while process.poll() is None:
        process.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(PAUSE)
    return process.returncode


@pytest.mark.slow
def test_signals_at_the_end_of_a_process_do_not_kill_it(tmp_path: Path) -> None:
    with open_fleet(tmp_path, HANDLERS) as fleet:
        ingresses = [end_impatiently(fleet.start_ingress()) for _ in range(TIMES)]
        workers = [end_impatiently(fleet.start_worker()) for _ in range(TIMES)]
    assert (ingresses, workers) == ([0] * TIMES, [0] * TIMES)
