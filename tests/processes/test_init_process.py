"""The first process of a container: signals reach the child, its exit code comes back, and no zombie stays."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.waiting import wait_for

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="containers are Linux")

ROOT = Path(__file__).parents[2]
BEGIN = """
import ctypes, os, signal, subprocess, sys, time
ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER: orphans come here, as to process 1 of a container
from service.processes.init_process import become_init
become_init()
"""


@contextmanager
def init(child: str) -> Iterator["subprocess.Popen[str]"]:
    """A process that becomes the init of a child which runs this code."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [sys.executable, "-c", BEGIN + child],
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
    ) as process:
        yield process
        process.kill()


@pytest.mark.parametrize(
    ("child", "code"),
    [("sys.exit(0)", 0), ("sys.exit(2)", 2), ("os.kill(os.getpid(), signal.SIGKILL)", 137)],
)
def test_the_exit_code_is_that_of_the_child(child: str, code: int) -> None:
    with init(child) as process:
        assert process.wait(timeout=20) == code


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_reaches_the_child_once(number: signal.Signals) -> None:
    child = f"""
got = []
signal.signal({number.value}, lambda *_: got.append(1))
print("ready", flush=True)
while not got:
    time.sleep(0.01)
time.sleep(0.1)
sys.exit(40 + len(got))
"""
    with init(child) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        assert process.wait(timeout=20) == 41


def test_an_orphan_leaves_no_zombie() -> None:
    child = """
# The shell ends at once, and leaves a child behind that ends a little later.
subprocess.run(["sh", "-c", "sleep 0.05 & echo $!"], check=True)
signal.pause()
"""
    with init(child) as process:
        assert process.stdout is not None
        orphan = int(process.stdout.readline())
        wait_for(lambda: not Path(f"/proc/{orphan}").exists())
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 128 + signal.SIGTERM
