"""The first process of a container: passes signals on to Ringback, and collects orphans, which nobody else would.

A handler may start programs that leave children behind. In a container these become children of process 1. Without
somebody who waits for them they stay as zombies until the container's limit of processes is reached.
"""

import os
import signal
import sys
from functools import partial
from types import FrameType

FORWARDED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)


def is_first_process() -> bool:
    """Return whether this is the first process of a container."""
    return os.getpid() == 1 and sys.platform == "linux"


def become_init() -> None:
    """Return in a child process, for which this one is the init process from now on.

    This process ends when the child does, with the child's exit code. That of a child that a signal ended is 128 and
    its number. The kernel then ends all others of the container.
    """
    # A signal that comes before its handler is there would be lost: the kernel drops it for process 1.
    signal.pthread_sigmask(signal.SIG_BLOCK, FORWARDED)
    # No thread runs yet, so that the child gets a whole process.
    child = os.fork()
    if child:
        for number in FORWARDED:
            signal.signal(number, partial(_forward, child))
        if os.isatty(0):
            # A terminal sends Ctrl-C to the child, too. Passed on, it would be a second one.
            signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, FORWARDED)
    if child:
        # Without the interpreter's own end, which belongs to the child.
        os._exit(_exit_code(_wait_for(child)))


def _forward(child: int, number: int, _: FrameType | None) -> None:
    os.kill(child, number)


def _wait_for(child: int) -> int:
    """Collect every process that ends until the child does. Return its status."""
    while True:
        ended, status = os.wait()
        if ended == child:
            return status


def _exit_code(status: int) -> int:
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code
