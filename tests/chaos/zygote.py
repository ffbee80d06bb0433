"""A process that has loaded everything and forks another for each command, which so starts in a moment.

It reads an order in JSON from each line of its input, and prints the new process's id.
"""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

import orjson

from service.processes.garbage_collection import collect_rarely
from service.processes.parent_death import environment_of_child
from tests.processes.running import clean_environment

ROOT = Path(__file__).parents[2]
MODULES = (
    "anyio._backends._asyncio",
    "email.policy",
    "handlers",
    "service.cli.events.dead",
    "service.cli.events.heal",
    "service.cli.run.ingress",
    "service.cli.run.worker",
    "service.store.operators.job_runner",
    "uvicorn.lifespan.on",
    "uvicorn.loops.auto",
    "uvloop",
)
JOB_LEASE = 1_000
"""Milliseconds after which another process takes a job over, here."""
MIN_UNDELIVERED = 1.0
"""Seconds that a message at least has to be under way before its fallback, here."""

PROBE = 1.0
"""Seconds between two sends that probe a block, here."""


@dataclass
class Zygote:
    """The process, as a test sees it."""

    process: "subprocess.Popen[bytes]"
    pids: list[int] = field(default_factory=list)
    _turn: threading.Lock = field(default_factory=threading.Lock)

    def start(self, arguments: Sequence[str], *, folder: Path, log: Path, environment: Mapping[str, str]) -> int:
        """Start `ringback <arguments>` and return its process id. What it prints goes to the log."""
        order = {
            "arguments": list(arguments),
            "folder": str(folder),
            "log": str(log),
            "environment": dict(environment),
        }
        with self._turn:
            assert self.process.stdin is not None
            assert self.process.stdout is not None
            self.process.stdin.write(orjson.dumps(order) + b"\n")
            self.process.stdin.flush()
            pid = int(self.process.stdout.readline())
            self.pids.append(pid)
        return pid


@contextmanager
def open_zygote() -> Iterator[Zygote]:
    """Start one. Its processes end with it."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.chaos.zygote"],
        cwd=ROOT,
        env=clean_environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        yield Zygote(process)
    finally:
        process.kill()
        process.communicate()


def serve() -> None:
    """Fork until the input ends."""
    _load()
    ours = environment_of_child({})
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for them
    for line in iter(sys.stdin.buffer.readline, b""):
        pid = os.fork()
        if pid == 0:
            _become(orjson.loads(line), ours)
        os.write(1, b"%d\n" % pid)


def _load() -> None:
    for each in MODULES:
        import_module(each)
    from service.cli.run.worker import _load_libraries
    from service.messages import policy
    from service.outbound import gate
    from service.store.operators import job_runner

    _load_libraries()
    job_runner.LEASE, policy.MIN_UNDELIVERED, gate.ACCOUNT_PROBE = JOB_LEASE, MIN_UNDELIVERED, PROBE
    # A fork that collected garbage would write to all of these pages, and so copy them.
    collect_rarely()


def _become(order: dict[str, Any], ours: Mapping[str, str]) -> None:
    code = 1
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        output = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.environ.clear()
        os.environ.update({**order["environment"], **ours})
        os.chdir(order["folder"])
        sys.argv = ["ringback", *order["arguments"]]
        from service.cli import main

        main()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
    except BaseException:  # noqa: BLE001 - its output is all that is seen of it
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(code)


if __name__ == "__main__":
    serve()
