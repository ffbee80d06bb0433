"""A process that works in forks of itself: SIGHUP makes a new one, with all imports done."""

import os
import signal
import sys

from service.processes.parent_death import end_with_forking_parent

HOPELESS = 2
"""The exit code after which only a change can help: the next SIGHUP is waited for."""

_SIGNALS = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD})


class Reloader:
    """The parent of the forks. It must have no other thread.

    With `overlap` the next fork begins while the last one still finishes its work.
    """

    def __init__(self, *, overlap: bool) -> None:
        self._overlap = overlap
        self._current: int | None = None

    def run(self) -> int | None:
        """Return None in each fork, which then does the work. Return the exit code in the parent at its end.

        The parent ends at SIGTERM, once its forks have ended. It also ends with a fork that was not asked to.
        """
        # They wait for `sigwait`, so that none comes between two steps.
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        is_fork = self._fork()
        while not is_fork:
            match signal.sigwait(_SIGNALS):
                case signal.SIGHUP:
                    self._end_current()
                    is_fork = self._fork()
                case signal.SIGCHLD:
                    if (code := self._reap()) is not None:
                        return code
                case _:
                    return self._stop()
        return None

    def _fork(self) -> bool:
        """Return whether this is the fork."""
        parent = os.getpid()
        # Both processes would write the buffers.
        sys.stdout.flush()
        sys.stderr.flush()
        self._current = os.fork()
        if self._current:
            return False
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        end_with_forking_parent(parent)
        return True

    def _end_current(self) -> None:
        if self._current is None:
            return
        os.kill(self._current, signal.SIGTERM)
        if not self._overlap:
            os.waitpid(self._current, 0)

    def _reap(self) -> int | None:
        """Forget ended forks. Return the code with which the parent has to end too, or None."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return None
            if pid == 0:
                return None
            if pid == self._current:
                self._current, code = None, os.waitstatus_to_exitcode(status)
                if code != HOPELESS:
                    return code

    def _stop(self) -> int:
        if self._current is not None:
            os.kill(self._current, signal.SIGTERM)
        while True:
            try:
                os.wait()
            except ChildProcessError:
                return 0
