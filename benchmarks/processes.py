"""Processes that are measured: started in a clean environment, awaited, and stopped."""

import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from benchmarks.machine import pin

ROOT = Path(__file__).parents[1]
START_SECONDS = 30.0
STOP_SECONDS = 40.0


class Failed(Exception):
    """A process ended or never became ready. The text has the end of its log."""


def clean_environment(variables: Mapping[str, str], checkout: Path = ROOT) -> dict[str, str]:
    """Return this process's environment without variables that Ringback reads, with `variables` and a checkout."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("RINGBACK_", "TELNYX_", "BENCH_")) and name not in ("REDIS_URL", "HANDLERS")
    }
    # The checkout that is measured comes first. Handlers and peers are always ours.
    return {**kept, "PYTHONPATH": f"{checkout}{os.pathsep}{ROOT}", **variables}


@contextmanager
def running(
    command: Sequence[str], folder: Path, name: str, environment: Mapping[str, str], *, core: int | None = None
) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a command until the block ends. Its output goes to `<name>.log` in the folder."""
    with (folder / f"{name}.log").open("ab") as log:
        process = subprocess.Popen(command, cwd=folder, env=dict(environment), stdout=log, stderr=log)
    pin(process.pid, core)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def free_port() -> int:
    """Return a port of loopback that nobody listens on."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def await_port(port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
    """Wait until somebody listens on a port of loopback.

    Raises:
        Failed: the process ended, or nobody listens within 30 seconds.
    """
    wait_for(lambda: listens(port), process, log)


def listens(port: int) -> bool:
    """Return whether somebody listens on a port of loopback."""
    with closing(socket.socket()) as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def wait_for(
    condition: Callable[[], bool], process: "subprocess.Popen[bytes]", log: Path, *, seconds: float = START_SECONDS
) -> None:
    """Wait until a condition holds.

    Raises:
        Failed: the process ended first, or the condition does not hold in time.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        if process.poll() is not None or time.monotonic() > deadline:
            end = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
            raise Failed(f"{log.stem} ended or took longer than {seconds:.0f} s; its log ends:\n{end}")
        time.sleep(0.002)
