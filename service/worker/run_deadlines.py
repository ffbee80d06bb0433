"""The time-outs of all runs of handlers, by one timer of the event loop."""

import asyncio
import math
import time
from typing import NamedTuple

from service.outbound.handler_run_state import Run
from service.worker.held_leases import ActiveEvent


class _Deadline(NamedTuple):
    """When (monotonic seconds) the time of a run is up, and its event."""

    at: float
    running: ActiveEvent


class RunDeadlines:
    """Cancels the task of a run whose time is up, and notes that on the run.

    The time for which others have blocked the event loop does not count. One timer serves all runs, as a timer for each
    costs more than the rest of a short run.
    """

    def __init__(self) -> None:
        self._deadlines: dict[Run, _Deadline] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = math.inf

    def start(self, run: Run, running: ActiveEvent, *, seconds: float) -> None:
        """Give a run so many seconds from now."""
        at = time.monotonic() + seconds
        self._deadlines[run] = _Deadline(at, running)
        if at < self._timer_at:
            self._wait_until(at)

    def end(self, run: Run) -> None:
        """Forget a run. Its timer stays, and serves the next one."""
        self._deadlines.pop(run, None)

    def _wait_until(self, at: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = at
        self._timer = asyncio.get_running_loop().call_later(max(0.0, at - time.monotonic()), self._check)

    def _check(self) -> None:
        """Cancel what is overdue, and wait for the next deadline."""
        now, ends = time.monotonic(), []
        for run, (at, running) in list(self._deadlines.items()):
            end = at + running.blocked_beside(run)
            if end > now:
                ends.append(end)
                continue
            self.end(run)
            if run.task is not None:
                run.timed_out = True
                run.task.cancel()
        self._timer, self._timer_at = None, math.inf
        if ends:
            self._wait_until(min(ends))
