import os
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from service.processes import embedded_guard
from tests.embedded.processes import python, runs
from tests.waiting import wait_for

pytestmark = pytest.mark.skipif(not embedded_guard.available(), reason="needs pidfds")

# Its server is any process that SIGTERM ends. It kills itself at the first moment at which there is one.
PARENT = """
import os, signal, subprocess, sys
from service.processes.embedded_guard import guarding
lifeline, _ = os.pipe()
with guarding(lifeline) as before_exec:
    server = subprocess.Popen(["tail", "-f", "/dev/null"], stdout=subprocess.DEVNULL, preexec_fn=before_exec)
    os.write(1, b"%d" % server.pid)
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def lifeline() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


def endless(before_exec: Callable[[], None]) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(["tail", "-f", "/dev/null"], preexec_fn=before_exec)  # noqa: PLW1509


def ignored_signals(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1], 16) for line in lines if line.startswith("SigIgn:"))


def test_no_moment_is_too_early_to_be_killed() -> None:
    with python(PARENT) as parent:
        assert parent.stdout is not None
        server = int(parent.stdout.read())
        wait_for(lambda: not runs(server))


def test_the_server_is_asked_to_stop_when_the_last_client_has_let_go_of_the_lifeline() -> None:
    guards_end, clients_end = os.pipe()
    with embedded_guard.guarding(guards_end) as before_exec, endless(before_exec) as server:
        os.close(clients_end)
        assert server.wait(20) == -signal.SIGTERM
    os.close(guards_end)


def test_a_guard_goes_with_its_server(lifeline: tuple[int, int]) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs, embedded_guard._guard(theirs, lifeline[0]) as guard:
        with endless(lambda: embedded_guard._hand_over(ours)) as server:
            server.kill()
        assert guard.wait(20) == 0


def test_a_guard_that_gets_no_server_goes_with_its_starter(lifeline: tuple[int, int]) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs, embedded_guard._guard(theirs, lifeline[0]) as guard:
        theirs.close()
        ours.close()
        assert guard.wait(20) == 0


def test_a_signal_to_all_processes_does_not_end_the_guard(lifeline: tuple[int, int]) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs, embedded_guard._guard(theirs, lifeline[0]) as guard:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            wait_for(lambda: ignored_signals(guard.pid) >> (number - 1) & 1)  # noqa: B023
            guard.send_signal(number)
        with endless(lambda: embedded_guard._hand_over(ours)) as server:
            server.kill()
        assert guard.wait(20) == 0
