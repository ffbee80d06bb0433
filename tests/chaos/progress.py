"""What a long run says meanwhile, one line every half minute."""

import resource
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from service.testing.simulator import Simulator
from tests.chaos.repeating import repeating
from tests.chaos.strikes import Strikes
from tests.chaos.verdict import Verdict

OFTEN = 30.0
LEAST_DISK = 2 * 1024**3
"""Free bytes below which a run is broken off."""


@contextmanager
def shown(folder: Path, strikes: Strikes, verdict: Verdict, simulator: Simulator) -> Iterator[None]:
    """Show the state of a run until the block ends, and break it off before the disk is full."""
    began = time.monotonic()

    def show() -> None:
        free = shutil.disk_usage(folder).free
        if free < LEAST_DISK:
            strikes.traffic.trouble.append(f"only {free / 1e9:.1f} GB are free: the run was broken off")
        sys.stderr.write(f"{time.monotonic() - began:6.0f} s: {_state(strikes, verdict, simulator)}\n")
        sys.stderr.writelines(f"        {each}\n" for each in _told(verdict, strikes))
        sys.stderr.flush()

    with repeating(show, pause=OFTEN, name="progress"):
        yield


def _state(strikes: Strikes, verdict: Verdict, simulator: Simulator) -> str:
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return (
        f"{strikes.traffic.delivered:,} events, {verdict.judged:,} judged, {len(verdict.waiting):,} open,"
        f" {strikes.counts.total():,} strikes, {strikes.deployment.starts:,} restarts,"
        f" {len(simulator.account.messages):,} SMS, {len(verdict.wrong)} findings, {memory:,.0f} MB"
    )


def _told(verdict: Verdict, strikes: Strikes) -> list[str]:
    return [*verdict.wrong[:5], *strikes.traffic.trouble, *strikes.deployment.unexpected[:5]]
