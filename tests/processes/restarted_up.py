"""A real `ringback up` that a test kills and starts again."""

import os
import signal
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from tests.processes.running import RINGBACK, clean_environment
from tests.waiting import wait_for

BUSY = 60.0
"""Seconds that a start or an event may take on a busy machine; no test is about that."""


@dataclass
class RestartedUp:
    """One data folder and one port, and the process that has both at the moment. Its log is `log`."""

    folder: Path
    variables: dict[str, str]
    _process: "subprocess.Popen[bytes] | None" = field(default=None, init=False)

    def start(self) -> None:
        """Start it, and wait until it takes webhooks."""
        with (self.folder / "log").open("ab") as log:
            environment = clean_environment(**self.variables)
            self._process = subprocess.Popen(
                [*RINGBACK, "up"], cwd=self.folder, env=environment, stdout=log, stderr=log
            )
        wait_for(self._is_ready, seconds=BUSY)

    def kill(self) -> None:
        """Kill it without warning, and wait for the end of its ingress: else that would answer in place of the next."""
        self._end(signal.SIGKILL)
        wait_for(lambda: not self._is_ready(), seconds=BUSY)

    def restart(self) -> None:
        """Kill it, and start it again."""
        self.kill()
        self.start()

    def stop(self) -> None:
        """Stop it as at the end of a deployment."""
        self._end(signal.SIGTERM)

    def _end(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            os.kill(self._process.pid, number)
            self._process.wait(BUSY)

    def _is_ready(self) -> bool:
        try:
            url = f"http://127.0.0.1:{self.variables['RINGBACK_PORT']}/readyz"
            return httpx.get(url, trust_env=False).status_code == 200
        except httpx.HTTPError:
            return False
