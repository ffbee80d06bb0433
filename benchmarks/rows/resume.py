"""How soon after a process was killed or replaced the next event is handled. It runs where `--only` names it.

Each is `ringback up` with its embedded server and default settings. An interrupted event waits for its lease.
"""

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from subprocess import Popen

from benchmarks import handled
from benchmarks.figures import Result, Table, median
from benchmarks.load import is_accepted
from benchmarks.machine import children
from benchmarks.processes import clean_environment, free_port
from benchmarks.row import Scale
from benchmarks.signed_events import fresh_ids, requests, small
from benchmarks.stacks import RINGBACK, account_variables

ROUNDS = 3
SECONDS = 60.0
HANDLERS = """
import asyncio
from pathlib import Path
from benchmarks.handled import recorder
from service import Context, Event, Router

router, note = Router(), recorder()

@router.on("*")
async def handle(event: Event, ctx: Context) -> None:
    begun = Path("begun-" + event.id)
    if Path("interrupt").exists() and not begun.exists():
        begun.write_text("")
        await asyncio.Event().wait()
    note(event.id)
"""
Resumed = tuple[float, float | None]
"""Seconds until the next event was handled, and until an interrupted one was."""


class Installation:
    """`ringback up` in a folder of its own."""

    def __init__(self, folder: Path, account: dict[str, str]) -> None:
        folder.mkdir()
        self.account = account
        (folder / "slow_handlers.py").write_text(HANDLERS)
        self.folder, self.port, self.file = folder, free_port(), folder / "handled"
        self.up = self._start()
        self.await_next_event()

    def _start(self) -> "Popen[bytes]":
        variables = {
            **self.account,
            "RINGBACK_PORT": str(self.port),
            "HANDLERS": "slow_handlers:router",
            handled.VARIABLE: str(self.file),
        }
        with (self.folder / "up.log").open("ab") as log:
            environment = clean_environment(variables)
            return Popen([*RINGBACK, "up"], cwd=self.folder, env=environment, stdout=log, stderr=log)

    def replace(self, how: int) -> None:
        """End it by a signal, and start another."""
        self.up.send_signal(how)
        self.up.wait()
        self.up = self._start()

    def child(self, name: str) -> int:
        """Return the process id of a child, by its command line."""
        for pid in children(self.up.pid):
            with suppress(OSError):
                if name in Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode():
                    return pid
        raise LookupError(name)

    def deliver(self) -> str:
        """Deliver an event, again and again as Telnyx would. Return its id."""
        [event_id] = fresh_ids(1)
        [request] = requests([event_id], small)
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            if is_accepted(request, self.port):
                return event_id
            time.sleep(0.005)
        raise TimeoutError(f"nobody takes webhooks: see {self.folder / 'up.log'}")

    def await_handled(self, event_id: str) -> float:
        """Return when an event's handler ended (monotonic)."""
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            if found := [each.at for each in handled.read(self.file) if each.event_id == event_id]:
                return found[0]
            time.sleep(0.005)
        raise TimeoutError(event_id)

    def await_next_event(self) -> float:
        """Return when the next event that is taken was handled (monotonic)."""
        return self.await_handled(self.deliver())

    def interrupt(self) -> str:
        """Return the id of an event in the middle of its handler."""
        mark = self.folder / "interrupt"
        mark.touch()
        event_id = self.deliver()
        while not (self.folder / f"begun-{event_id}").exists():
            time.sleep(0.005)
        mark.unlink()
        return event_id


def run(scale: Scale) -> Result:
    """Kill each process, and replace `up`, idle and busy."""
    cases: dict[str, Callable[[Installation], Resumed]] = {
        "kill -9 of the ingress": partial(_kill, name=" ingress"),
        "kill -9 of the server": partial(_kill, name="valkey-server"),
        "kill -9 of the worker": partial(_kill, name=" worker"),
        "kill -9 of up, and a new one": partial(_replace, how=signal.SIGKILL, busy=False),
        "kill -9 of a busy up, and a new one": partial(_replace, how=signal.SIGKILL, busy=True),
        "SIGTERM of up, and a new one": partial(_replace, how=signal.SIGTERM, busy=False),
        "SIGTERM of a busy up, and a new one": partial(_replace, how=signal.SIGTERM, busy=True),
    }
    lines = [_line(name, measure, scale, number) for number, (name, measure) in enumerate(cases.items())]
    return Result([Table("Resumption", ("", "next event s", "interrupted event s"), lines)])


def _line(name: str, measure: Callable[[Installation], Resumed], scale: Scale, number: int) -> list[str]:
    installation = Installation(scale.folder / f"resume-{number}", account_variables(scale))
    try:
        turns = [measure(installation) for _ in range(1 if scale.quick else ROUNDS)]
    finally:
        installation.up.terminate()
        installation.up.wait()
    interrupted = [each for _, each in turns if each is not None]
    following = median(each for each, _ in turns)
    return [name, f"{following:.2f}", f"{median(interrupted):.2f}" if interrupted else ""]


def _kill(installation: Installation, name: str) -> Resumed:
    event_id = installation.interrupt() if name == " worker" else None
    os.kill(installation.child(name), signal.SIGKILL)
    killed = time.monotonic()
    following = installation.await_next_event() - killed
    return following, installation.await_handled(event_id) - killed if event_id else None


def _replace(installation: Installation, how: int, *, busy: bool) -> Resumed:
    event_id = installation.interrupt() if busy else None
    began = time.monotonic()
    installation.replace(how)
    following = installation.await_next_event() - began
    return following, installation.await_handled(event_id) - began if event_id else None
