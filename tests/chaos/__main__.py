"""Run many events under fire, in runs of at most 5,000: `python -m tests.chaos --events 1000000 --seed 1`.

Run n has the seed `--seed` + n. A run that fails prints its seed and its schedule, and `--events 5000 --seed` with that
seed repeats it. Exit 1 if any failed.
"""

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from tests.chaos.run import run
from tests.chaos.schedule import KINDS

MOST = 5000


def main() -> None:
    """Run until there were so many events."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--backend", choices=sorted(KINDS), default="server")
    parser.add_argument("--between", type=int, default=20, help="events between two faults")
    given = parser.parse_args()
    left, seed, failed = given.events, given.seed, 0
    while left > 0:
        folder = Path(tempfile.mkdtemp(prefix=f"chaos-{seed}-"))
        report = run(folder, seed=seed, events=min(left, MOST), backend=given.backend, between=given.between)
        sys.stdout.write(f"{report}\n")
        if report.wrong:
            failed += 1
            sys.stdout.writelines(
                f"{each}\n" for each in (*report.schedule, *report.wrong, f"the logs are in {folder}")
            )
        else:
            shutil.rmtree(folder)
        sys.stdout.flush()
        left, seed = left - min(left, MOST), seed + 1
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
