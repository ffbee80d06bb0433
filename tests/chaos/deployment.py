"""The processes of a chaos run: two ingresses and two workers, started again whenever they end."""

import random
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from service.cli.demo.stack import free_port
from tests.chaos.proxy import Proxy
from tests.processes.fleet import Fleet
from tests.waiting import wait_for

SKEW = 120
"""Seconds by which a process's clock is off at most: well below RINGBACK_TOLERANCE."""
CLOCK = """
import os, time
_real, _skew = time.time, float(os.environ.get("CHAOS_SKEW", "0"))
time.time = lambda: _real() + _skew
"""
"""A `sitecustomize.py` that moves the clock of a process at its start."""
MOST_LOGS = 60
"""Logs of processes that ended as they should. Older ones are deleted, so that a long run fits on the disk."""


@dataclass
class Slot:
    """The place of one process. `struck` says that the run itself ended, or ends, the process that is there."""

    role: str
    redis_url: str
    proxy: Proxy | None
    port: int = field(default_factory=free_port)
    later: bool = False
    struck: bool = False
    starts: int = 0
    process: "subprocess.Popen[bytes] | None" = None
    log: Path | None = None


@dataclass
class Deployment:
    """The slots, and whatever ended without having been struck."""

    fleet: Fleet
    slots: list[Slot]
    later: Path
    seed: int
    unexpected: list[str] = field(default_factory=list)
    starts: int = 0
    _logs: deque[Path] = field(default_factory=deque)
    _over: threading.Event = field(default_factory=threading.Event)

    @property
    def ports(self) -> list[int]:
        """The ports of the ingresses."""
        return [each.port for each in self.of_role("ingress")]

    def of_role(self, role: str) -> list[Slot]:
        """Return the slots of a role."""
        return [each for each in self.slots if each.role == role]

    def signal(self, slot: Slot, number: signal.Signals) -> None:
        """Send a signal to the process of a slot. One that ends it is no surprise."""
        slot.struck = slot.struck or number in (signal.SIGKILL, signal.SIGTERM)
        with suppress(ProcessLookupError):
            if slot.process is not None:
                slot.process.send_signal(number)

    def start(self, slot: Slot) -> None:
        """Start a process with a clock of its own, from this release or the later one."""
        folder = self.fleet.folder
        chosen = random.Random(f"{self.seed} {slot.role} {slot.port} {slot.starts}")
        path = [str(folder / "clock"), *([str(self.later)] if slot.later else [])]
        variables = {"REDIS_URL": slot.redis_url, "RINGBACK_PORT": str(slot.port), "PYTHONPATH": ":".join(path)}
        slot.struck, slot.starts = False, slot.starts + 1
        slot.log = folder / f"{slot.role}-{len(self.fleet.processes)}.log"
        slot.process = self.fleet.start(slot.role, **variables, CHAOS_SKEW=str(chosen.randint(-SKEW, SKEW)))

    def finish_deploys(self) -> None:
        """Replace the workers of the earlier release, which do not know the handler that the later one brought."""
        for each in self.of_role("worker"):
            if not each.later:
                each.later = True
                self.signal(each, signal.SIGTERM)

    def keep_up(self) -> None:
        """Start each process that has ended, until the run is over."""
        while not self._over.wait(0.05):
            for slot in self.slots:
                code = slot.process.poll() if slot.process else None
                if code is not None:
                    self._note_end(slot, code)
                    self.start(slot)

    def end(self) -> None:
        """Start nothing any more."""
        self._over.set()

    def _note_end(self, slot: Slot, code: int) -> None:
        self.starts += 1
        assert slot.log is not None
        # A SIGTERM before Python has even loaded the program is nobody's to handle.
        was_early = code == -signal.SIGTERM and not slot.log.read_bytes()
        if not (slot.struck and (was_early or code in (0, -signal.SIGKILL))):
            self.unexpected.append(f"{slot.log} ended with {code}{', struck' if slot.struck else ''}")
            return
        self._logs.append(slot.log)
        if len(self._logs) > MOST_LOGS:
            self._logs.popleft().unlink()


@contextmanager
def deployed(fleet: Fleet, slots: list[Slot], later: Path, seed: int) -> Iterator[Deployment]:
    """Run the processes until the block ends."""
    (fleet.folder / "clock").mkdir()
    (fleet.folder / "clock" / "sitecustomize.py").write_text(CLOCK)
    deployment = Deployment(fleet, slots, later, seed)
    for each in slots:
        deployment.start(each)
    wait_for(lambda: all(_is_ready(fleet, each, number) for number, each in enumerate(slots)), seconds=300)
    keeper = threading.Thread(target=deployment.keep_up, name="keeper")
    keeper.start()
    try:
        yield deployment
    finally:
        deployment.end()
        keeper.join()


def _is_ready(fleet: Fleet, slot: Slot, number: int) -> bool:
    assert slot.process is None or slot.process.poll() is None, f"a {slot.role} ended at its start"
    if slot.role == "worker":
        return b"worker ready" in (fleet.folder / f"worker-{number}.log").read_bytes()
    with suppress(httpx.HTTPError):
        return httpx.get(f"http://127.0.0.1:{slot.port}/readyz", trust_env=False).status_code == 200
    return False


def now() -> int:
    """Return milliseconds since 1970, by the one clock of this machine that no process has moved."""
    return int(time.time() * 1000)
