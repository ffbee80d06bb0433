"""Supervision: children kept alive in stages, each after the one before, and ended in the reverse order."""

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
    """Return the seconds until the next start: 0.1, doubling to 5, and 0.1 again after 30 seconds of life."""
    if previous == 0 or lived >= STEADY_SECONDS:
        return FIRST_PAUSE
    return min(previous * 2, LONGEST_PAUSE)


@dataclass(frozen=True)
class Child:
    """A program to keep alive.

    `grace` is the seconds between SIGTERM and SIGKILL. The next stage begins once `ready` is true. A child that ends
    before it was ever ready, or with a `hopeless` code, ends all. Its process calls `before_exec` before exec. It
    prints to `output` if that is set, and `last_words` quotes its last lines.
    """

    name: str
    command: Sequence[str]
    grace: float
    environment: Mapping[str, str] | None = None
    folder: Path | None = None
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
                cwd=self.folder,
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
    """A supervisor of stages of children, until SIGTERM, SIGINT or SIGHUP. A SIGINT after that hurries."""

    def __init__(self, stages: Sequence[Sequence[Child]]) -> None:
        self._stages = stages
        self._established: set[str] = set()
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._code = 0
        self._stopping = False
        self._hurried = False
        self._changed = asyncio.Event()

    async def run(self) -> int:
        """Keep the children alive until asked to stop. Return 0, or the exit code of a hopeless child.

        Needs the main thread, since it handles signals. When it returns, no child runs.
        """
        with self._signals():
            await self._climb(self._stages)
        return self._code

    def stop(self, code: int = 0) -> None:
        """Begin to stop, with an exit code. Later calls change nothing."""
        if not self._stopping:
            log.info("stopping")
            self._code = code
            self._stopping = True
            self._notify()

    def signal(self, name: str, number: signal.Signals) -> None:
        """Send a signal to a child. One that does not run is left alone."""
        process = self._running.get(name)
        if process is not None and process.poll() is None:
            process.send_signal(number)

    async def _climb(self, stages: Sequence[Sequence[Child]]) -> None:
        """Run these stages. The first ends only after all later ones have."""
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
            code = await self._live(child, over)
            if over.is_set():
                return
            if code in child.hopeless or child.name not in self._established:
                log.error("not restarted", **_facts(child, code))
                self.stop(code if code in child.hopeless else 1)
                return
            pause = next_pause(pause, time.monotonic() - born)
            log.warning("died", **_facts(child, code), again_in=pause)
            await self._until(over.is_set, seconds=pause)

    async def _live(self, child: Child, over: asyncio.Event) -> int | None:
        """Run a child once. Return its exit code, or None where it could not be started."""
        try:
            with _killed_at_exit(child.start()) as process:
                log.info("started", child=child.name, pid=process.pid)
                self._running[child.name] = process
                await self._until(lambda: process.poll() is not None or over.is_set())
                if process.poll() is None:
                    await self._end(child, process)
        except (OSError, subprocess.SubprocessError) as error:
            log.error("cannot start", child=child.name, error=str(error))
            return None
        return process.returncode

    async def _end(self, child: Child, process: subprocess.Popen[bytes]) -> None:
        process.terminate()
        await self._until(lambda: process.poll() is not None or self._hurried, seconds=child.grace)
        if self._hurried:
            await self._until(lambda: process.poll() is not None, seconds=HURRIED_SECONDS)
        if process.poll() is not None:
            log.info("stopped", child=child.name, code=process.returncode)
        else:
            log.warning("killed", child=child.name, why="it did not stop in time")

    async def _until(self, condition: Callable[[], bool], *, seconds: float | None = None) -> None:
        """Wait for a condition that a signal or a call of `stop` changes, or until the time is up."""
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
        actions: dict[int, Callable[[], None]] = dict.fromkeys((signal.SIGTERM, signal.SIGHUP), self.stop)
        actions |= {signal.SIGCHLD: self._notify, signal.SIGINT: self._interrupt}
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


def end(process: subprocess.Popen[bytes], grace: float) -> None:
    """End a process by SIGTERM, or after `grace` seconds by SIGKILL."""
    process.terminate()
    try:
        process.wait(grace)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _facts(child: Child, code: int | None) -> Mapping[str, object]:
    words = child.last_words()
    return {"child": child.name, "code": code} | ({"last_words": words} if words else {})


@contextmanager
def _killed_at_exit(process: subprocess.Popen[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
