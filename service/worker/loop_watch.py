"""Watching the event loop from another thread: does it turn, and if not, whose code occupies it."""

import asyncio
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, FrameType

import structlog

from service.outbound.handler_run_state import Run
from service.routing import Router
from service.security.masking import is_authors
from service.worker.held_leases import MIN_BLOCKED, HeldLeases

log = structlog.get_logger(__name__)

FIRST_LOGGED = 5.0
"""Seconds after which a blocked loop is logged. Then after twice as long each time."""
MAX_SILENCE = 60.0
_ADVICE = "call what blocks with await asyncio.to_thread(...)"


@dataclass
class LoopWatch:
    """Sees when the loop does not turn, and finds the run of a handler that keeps it from that.

    Made in the loop's thread. `look` is called from another, again and again. `opening` names the lifespan that is
    being entered, if any.
    """

    loop: asyncio.AbstractEventLoop
    leases: HeldLeases
    router: Router
    opening: str | None = None
    _thread: int = field(default_factory=threading.get_ident)
    _seen: Counter[frozenset[str]] = field(default_factory=Counter)
    _logged_next: float = FIRST_LOGGED
    _rests_since: tuple[float, float] = field(default_factory=lambda: (time.monotonic(), time.process_time()))

    def rest(self) -> None:
        """Note that the watching thread is about to wait."""
        self._rests_since = time.monotonic(), time.process_time()

    def look(self) -> None:
        """Ask the loop whether it turns or, where the last question is unanswered, see what occupies it."""
        blockage = self.leases.blockage
        if blockage.asked_at is None:
            self._ask()
        if (seconds := blockage.seconds()) >= MIN_BLOCKED:
            self._sample()
            if seconds >= self._logged_next:
                self._tell(seconds)

    def _ask(self) -> None:
        blockage = self.leases.blockage
        self._seen, self._logged_next = Counter(), FIRST_LOGGED
        blockage.blocking_runs, blockage.place = frozenset(), ""
        blockage.asked_at = self._starved_since() or time.monotonic()
        try:
            self.loop.call_soon_threadsafe(self._answer)
        except RuntimeError:
            blockage.asked_at = None  # the loop has ended

    def _starved_since(self) -> float | None:
        """Return since when a call that holds the interpreter's lock, such as a regular expression, delays this thread.

        A process that was stopped (SIGSTOP) has waited as long, but has not used the processor.
        """
        since, used = self._rests_since
        blocked = time.monotonic() - since >= 2 * MIN_BLOCKED and time.process_time() - used >= MIN_BLOCKED
        return since if blocked else None

    def _answer(self) -> None:
        """Note that the loop turns: the time of the blockage does not count towards the time-outs of the others."""
        blockage = self.leases.blockage
        seconds, logged = blockage.seconds(), self._logged_next > FIRST_LOGGED
        if seconds:
            for running in list(self.leases.running.values()):
                running.add_blocked(seconds)
        blockage.earlier += seconds
        blockage.asked_at = None
        if logged:
            log.warning("the event loop turns again", seconds=round(seconds, 1), place=blockage.place)

    def _sample(self) -> None:
        """Sample the code that occupies the loop. The runs in most samples block it."""
        frames = list(_frames(sys._current_frames().get(self._thread)))  # noqa: SLF001 - nothing else tells
        runs = self._runs_of(frames)
        self._seen[frozenset(run.id for run in runs)] += 1
        blockage = self.leases.blockage
        [(blocking_runs, times)] = self._seen.most_common(1)
        # Many short steps in a row are an overloaded loop, which is nobody's own doing.
        blockage.blocking_runs = blocking_runs if 2 * times > self._seen.total() else frozenset()
        handler = runs[0].handler if runs else None
        subscription = self.router.subscriptions.get(handler) if handler else None
        own = subscription.handler.__code__.co_filename if subscription else None
        blockage.place = _place(frames, own)

    def _runs_of(self, frames: list[FrameType]) -> list[Run]:
        """Return the run of the current task, or the runs whose handlers' code this is."""
        runs = [run for running in list(self.leases.running.values()) for run in list(running.runs)]
        task = asyncio.current_task(self.loop)
        if task is not None:
            return [run for run in runs if task is run.task or task in run.tasks]
        codes = [frame.f_code for frame in frames]
        for fits in (_defined_within, _in_same_file):
            found = [run for run in runs if any(fits(code, self._code(run)) for code in codes)]
            if found:
                return found
        # A callback with no frame of its own, such as loop.call_soon(time.sleep, 60).
        return runs if len(self.leases.running) == 1 else []

    def _code(self, run: Run) -> CodeType | None:
        subscription = self.router.subscriptions.get(run.handler)
        return getattr(subscription and subscription.handler, "__code__", None)

    def _tell(self, seconds: float) -> None:
        self._logged_next = min(2 * self._logged_next, self._logged_next + MAX_SILENCE)
        blockage = self.leases.blockage
        bound = log.bind(seconds=round(seconds, 1), place=blockage.place, do=_ADVICE)
        blocking_runs = [
            (running, run)
            for running in list(self.leases.running.values())
            for run in list(running.runs)
            if run.id in blockage.blocking_runs
        ]
        if self.opening is not None:
            bound.error("a lifespan blocks the event loop, so that the worker does not start", lifespan=self.opening)
        elif not blocking_runs:
            bound.error("the event loop does not turn")
        for running, run in blocking_runs:
            record = running.lease.record
            bound.error("a handler blocks the event loop", handler=run.handler, event_id=record.id, type=record.type)


def _frames(frame: FrameType | None) -> Iterator[FrameType]:
    """Return the frames that run in the loop's thread, the innermost first, without those of the loop."""
    while frame is not None:
        yield frame
        frame = frame.f_back


def _place(frames: list[FrameType], own: str | None) -> str:
    """Return where the code stands: in the handler's own file, else in code of the author's, else wherever it is."""
    mine = [frame for frame in frames if frame.f_code.co_filename == own]
    authors = [frame for frame in frames if is_authors(frame.f_code.co_filename)]
    for frame in (*mine, *authors, *frames):
        position = _position(frame)
        return position if frame is frames[0] else f"{position} (in {_position(frames[0])})"
    return "an unknown place"


def _position(frame: FrameType) -> str:
    return f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno} in {frame.f_code.co_name}"


def _defined_within(code: CodeType, handler: CodeType | None) -> bool:
    if handler is None or code.co_filename != handler.co_filename:
        return False
    return code is handler or code.co_qualname.startswith(f"{handler.co_qualname}.<locals>.")


def _in_same_file(code: CodeType, handler: CodeType | None) -> bool:
    return handler is not None and code.co_filename == handler.co_filename
