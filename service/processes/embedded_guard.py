"""The guard: ends the embedded server after the last of its clients, when `ringback up` was killed and cannot.

It holds the server's pidfd and the read end of a pipe, the lifeline, whose write end every client has inherited.
When the lifeline reaches its end, all of them are gone. It runs as a program of its own on the standard library alone.

The guard is there before the server, and the server hands over its pidfd before it becomes the server: there is no
moment at which a killed `up` could leave it unguarded.
"""

import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress


def available() -> bool:
    """Whether this machine has what a guard needs: Linux, with pidfds not forbidden by a sandbox."""
    try:
        os.close(os.pidfd_open(os.getpid()))
    except (AttributeError, OSError):
        return False
    return True


@contextmanager
def guarding(lifeline: int) -> Iterator[Callable[[], None]]:
    """Start a guard for one life of a server, and give what the server's process has to run before exec.

    `lifeline` is the pipe's read end. At the end of the body, when the server has ended, the guard goes too.

    Raises:
        OSError: the guard could not be started.
    """
    ours, theirs = socket.socketpair()
    with ours, theirs, _guard(theirs, lifeline) as guard:
        theirs.close()
        try:
            yield lambda: _hand_over(ours)
        finally:
            guard.kill()


def _guard(handover: socket.socket, lifeline: int) -> subprocess.Popen[bytes]:
    descriptors = (handover.fileno(), lifeline)
    return subprocess.Popen(  # noqa: S603
        [sys.executable, "-I", "-S", __file__, *map(str, descriptors)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        pass_fds=descriptors,
        start_new_session=True,
    )


def _hand_over(channel: socket.socket) -> None:
    # From here on the guard may signal, and a handler inherited from `up` would swallow that before exec.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    socket.send_fds(channel, [b"."], [os.pidfd_open(os.getpid())])


def watch(handover: int, lifeline: int) -> None:
    """Wait for the server's end, or for that of all its clients and then ask the server to stop."""
    for ignored in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        # Whoever signals all processes at once, as systemd does, must not leave the server alone.
        signal.signal(ignored, signal.SIG_IGN)
    with socket.socket(fileno=handover) as channel:
        _, pidfds, *_ = socket.recv_fds(channel, 1, 1)
    for pidfd in pidfds:
        if not _ends_first(pidfd, lifeline):
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(pidfd, signal.SIGTERM)


def _ends_first(pidfd: int, lifeline: int) -> bool:
    waiting = select.poll()
    for descriptor in (pidfd, lifeline):
        waiting.register(descriptor, select.POLLIN)
    return pidfd in {descriptor for descriptor, _ in waiting.poll()}


if __name__ == "__main__":
    watch(int(sys.argv[1]), int(sys.argv[2]))
