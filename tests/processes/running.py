"""Real processes for tests: `ringback` commands in a clean environment, and what they say."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

SECONDS = 120
RINGBACK = [sys.executable, "-m", "service.cli"]


def clean_environment(**variables: str) -> dict[str, str]:
    """The machine's environment without anything that Ringback reads, and with `variables`."""
    ours = ("RINGBACK_", "TELNYX_", "OTEL_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    for name in ("REDIS_URL", "HANDLERS", "PYTEST_ADDOPTS"):
        kept.pop(name, None)
    return {**kept, "PYTHONWARNINGS": "default", **variables}


def ringback(*arguments: str, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        [*RINGBACK, *arguments],
        cwd=cwd,
        env=clean_environment(**variables),
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


@contextmanager
def running(
    *arguments: str, cwd: Path, log: Path, environment: Mapping[str, str], grace: float = 30
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command until the block ends, then SIGTERM it; its output goes to `log`."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*RINGBACK, *arguments], cwd=cwd, env=dict(environment), stdout=output, stderr=subprocess.STDOUT
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.wait(grace)
