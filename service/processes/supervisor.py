"""Supervision: children kept alive in stages, each on top of the one before, and ended in the reverse order."""

import asyncio
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path

import structlog

FIRST_PAUSE = 0.1
LONGEST_PAUSE = 5.0
STEADY_SECONDS = 30.0
HURRIED_SECONDS = 1.0

_READY_INTERVAL = 0.02

log = structlog.get_logger(__name__)


def next_pause(previous: float, lived: float) -> float:
    """Seconds to wait before the next start: 0.1, doubling to 5, and from the beginning after 30 seconds of life."""
    if previous == 0 or lived >= STEADY_SECONDS:
        return FIRST_PAUSE
    return min(previous * 2, LONGEST_PAUSE)


@dataclass(frozen=True, kw_only=True)
class Child:
    """A program to keep alive.

    `grace` is how many seconds it has between SIGTERM and SIGKILL. The next stage begins once `ready` says so; a child
    that ends before it was ever ready, or with a code that is `hopeless`, ends the whole. `before_exec` is what its
    process runs before exec. `output` takes what it prints, where that is not for the terminal, and `last_words`
    quotes it when it has ended.
    """

    name: str
    command: Sequence[str]
    grace: float
    environment: Mapping[str, str] | None = None
    descriptors: Sequence[int] = ()
    umask: int = -1
    output: Path | None = None
    ready: Callable[[], bool] = lambda: True
    hopeless: frozenset[int] = frozenset()
    before_exec: Callable[[], None] | None = None
    last_words: Callable[[], str] = str

    def start(self) -> subprocess.Popen[bytes]:
        """Start it once.

        Raises:
            OSError, subprocess.SubprocessError: the system has no such program, or no room for another process.
        """
        with self.output.open("ab") if self.output else nullcontext() as output:
            return subprocess.Popen(
                self.command,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=self.descriptors,
                preexec_fn=self.before_exec,  # noqa: PLW1509
                umask=self.umask,
                # A session of its own: a terminal's Ctrl-C must reach it through its supervisor, in order.
                start_new_session=True,
            )


class Supervisor:
    """Runs stages of children until SIGTERM, SIGINT or SIGHUP; a SIGINT after that hurries."""

    def __init__(self, stages: Sequence[Sequence[Child]]) -> None:
        self._stages = stages
        self._established: set[str] = set()
        self._code = 0
        self._stopping = False
        self._hurried = False
        self._changed = asyncio.Event()

    async def run(self) -> int:
        """Keep the children alive until asked to stop; the exit code is 0, or what made it give up.

        To be run in the main thread, since it handles signals. When it returns, no child is left.
        """
        with self._signals():
            await self._climb(self._stages)
        return self._code

    def stop(self, code: int = 0) -> None:
        """Begin the end, with an exit code; later calls change nothing."""
        if not self._stopping:
            log.info("stopping")
            self._code = code
            self._stopping = True
            self._notify()

    async def _climb(self, stages: Sequence[Sequence[Child]]) -> None:
        """Run these stages; the first ends only after all above it have."""
        if not stages or self._stopping:
            await self._until(lambda: self._stopping)
            return
        over = asyncio.Event()
        async with asyncio.TaskGroup() as stage:
            for child in stages[0]:
                stage.create_task(self._keep(child, over))
            for child in stages[0]:
                await self._establish(child)
            await self._climb(stages[1:])
            over.set()
            self._notify()

    async def _establish(self, child: Child) -> None:
        while not (self._stopping or child.ready()):
            await self._until(lambda: self._stopping, seconds=_READY_INTERVAL)
        self._established.add(child.name)

    async def _keep(self, child: Child, over: asyncio.Event) -> None:
        pause = 0.0
        while not over.is_set():
            born = time.monotonic()
            end = await self._live(child, over)
            if over.is_set():
                return
            if self._is_final(child, end):
                log.error("gave up", **_obituary(child, end))
                self.stop(end if end in child.hopeless else 1)
                return
            pause = next_pause(pause, time.monotonic() - born)
            log.warning("died", **_obituary(child, end), again_in=pause)
            await self._until(over.is_set, seconds=pause)

    def _is_final(self, child: Child, end: int | None) -> bool:
        return end in child.hopeless or child.name not in self._established

    async def _live(self, child: Child, over: asyncio.Event) -> int | None:
        """One life of a child; its exit code, or None where it could not be started."""
        try:
            with _no_survivor(child.start()) as process:
                log.info("started", child=child.name, pid=process.pid)
                await self._until(lambda: process.poll() is not None or over.is_set())
                if process.poll() is None:
                    await self._end(child, process)
        except (OSError, subprocess.SubprocessError) as error:
            log.error("cannot start", child=child.name, error=str(error))
            return None
        return process.returncode

    async def _end(self, child: Child, process: subprocess.Popen[bytes]) -> None:
        def ended() -> bool:
            return process.poll() is not None

        process.terminate()
        await self._until(lambda: ended() or self._hurried, seconds=child.grace)
        if self._hurried:
            await self._until(ended, seconds=HURRIED_SECONDS)
        if ended():
            log.info("stopped", child=child.name, code=process.returncode)
        else:
            log.warning("killed", child=child.name, why="it did not stop in time")

    async def _until(self, condition: Callable[[], bool], *, seconds: float | None = None) -> None:
        """Wait for something that a signal or a call of `stop` brings about, or until the time is up."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not condition():
                    await self._changed.wait()

    def _notify(self) -> None:
        self._changed.set()
        self._changed.clear()

    def _interrupt(self) -> None:
        self._hurried = self._stopping
        self.stop()
        self._notify()

    @contextmanager
    def _signals(self) -> Iterator[None]:
        actions = {
            signal.SIGCHLD: self._notify,
            signal.SIGTERM: self.stop,
            signal.SIGINT: self._interrupt,
            signal.SIGHUP: self.stop,
        }
        if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:  # started with nohup
            del actions[signal.SIGHUP]
        loop = asyncio.get_running_loop()
        for number, action in actions.items():
            loop.add_signal_handler(number, action)
        try:
            yield
        finally:
            for number in actions:
                loop.remove_signal_handler(number)


def _obituary(child: Child, end: int | None) -> dict[str, object]:
    facts: dict[str, object] = {"child": child.name, "code": end}
    if words := child.last_words():
        facts["last_words"] = words
    return facts


@contextmanager
def _no_survivor(process: subprocess.Popen[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
