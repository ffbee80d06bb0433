"""The guard: ends the embedded server after the last of its clients, when `ringback up` was killed and cannot.

It holds the server's pidfd and the read end of a pipe, the lifeline, whose write end every client has inherited.
When the lifeline reaches its end, all of them are gone. It runs as a program of its own on the standard library alone.
"""

import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress


def available() -> bool:
    """Whether this machine has what a guard needs: Linux, with pidfds not forbidden by a sandbox."""
    try:
        os.close(os.pidfd_open(os.getpid()))
    except (AttributeError, OSError):
        return False
    return True


@contextmanager
def guarded(server: subprocess.Popen[bytes], lifeline: int) -> Iterator[None]:
    """Keep a guard, where one is available, beside a server that was just started and never waited for.

    `lifeline` is the pipe's read end.

    Raises:
        OSError: the guard could not be started.
    """
    if not available():
        yield
        return
    pidfd = os.pidfd_open(server.pid)
    try:
        guard = subprocess.Popen(  # noqa: S603
            [sys.executable, "-I", "-S", __file__, str(pidfd), str(lifeline)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=(pidfd, lifeline),
            start_new_session=True,
        )
    finally:
        os.close(pidfd)
    try:
        yield
    finally:
        guard.kill()
        guard.wait()


def watch(pidfd: int, lifeline: int) -> None:
    """Wait for the server's end, or for that of all its clients and then ask the server to stop."""
    for ignored in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        # Whoever signals all processes at once, as systemd does, must not leave the server alone.
        signal.signal(ignored, signal.SIG_IGN)
    waiting = select.poll()
    for descriptor in (pidfd, lifeline):
        waiting.register(descriptor, select.POLLIN)
    ended = {descriptor for descriptor, _ in waiting.poll()}
    if pidfd not in ended:
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(pidfd, signal.SIGTERM)


if __name__ == "__main__":
    watch(int(sys.argv[1]), int(sys.argv[2]))
