"""Run many events under fire: `python -m tests.chaos --events 1000000 --seed 1`.

The same seed gives the same events and faults, and fewer events are the beginning of a longer run. Exit 1 at any
finding, with the schedule of the faults.
"""

import argparse
import math
import shutil
import signal
import sys
import tempfile
from pathlib import Path

from tests.chaos.run import run
from tests.chaos.schedule import KINDS

MOST_FAULTS = 1_000
"""Faults of a run, where `--between` does not say otherwise."""
QUIET = 0.85
CONNECTIONS = 48
"""Many, since each waits up to two seconds for a process that is stopped."""


def main() -> None:
    """Run until there were so many events."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--events", type=int, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--backend", choices=sorted(KINDS), default="server")
    parser.add_argument("--between", type=int, help="events between two faults")
    parser.add_argument("--quiet", type=float, default=QUIET, help="share of the events that send nothing")
    parser.add_argument("--rate", type=float, default=400, help="stories a second, at most")
    parser.add_argument("--minutes", type=float, default=math.inf, help="after so long, no further event comes")
    given = parser.parse_args()
    # An exception, so that every process that was started is stopped.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    between = given.between or max(20, given.events // MOST_FAULTS)
    folder = Path(tempfile.mkdtemp(prefix=f"chaos-{given.seed}-"))
    report = run(
        folder,
        seed=given.seed,
        events=given.events,
        backend=given.backend,
        between=between,
        rate=given.rate,
        quiet=given.quiet,
        seconds=given.minutes * 60,
        connections=CONNECTIONS,
    )
    sys.stdout.write(f"--between {between} --quiet {given.quiet} --rate {given.rate:g}, {report}\n")
    if report.wrong:
        sys.stdout.writelines(f"{each}\n" for each in (*report.schedule, *report.wrong, f"the logs are in {folder}"))
        sys.exit(1)
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
