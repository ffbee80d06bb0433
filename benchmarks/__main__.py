"""Run the rows of the target table side by side, and write benchmarks/RESULTS.md."""

import argparse
import signal
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

from benchmarks.figures import Result, Table
from benchmarks.processes import Failed
from benchmarks.report import print_tables, write_results
from benchmarks.row import Row, Scale
from benchmarks.rows.table import ROWS
from benchmarks.stacks import local_telnyx
from benchmarks.targets import misses


def main() -> None:
    """Measure. End with 1 where a row fails or `--check` finds a miss."""
    given = _arguments()
    # An exception, so that every process that was started is stopped.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    names = given.only or [row.name for row in ROWS.values() if row.by_default]
    results = _measure(names, given)
    if given.output is not None:
        write_results(given.output, results)
    if given.check:
        figures = {(row, name): value for row, each in results.items() for name, value in each.figures.items()}
        missed = misses(names, figures)
        print("\n".join(f"MISSED {line}" for line in missed) or "every target is met")
        sys.exit(1 if missed else 0)
    if any(result.failed for result in results.values()):
        sys.exit(1)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "--only", action="append", choices=sorted(ROWS), metavar="ROW", help=f"one of {', '.join(ROWS)}"
    )
    parser.add_argument("--quick", action="store_true", help="show that it works, with a few hundred requests")
    parser.add_argument("--check", action="store_true", help="compare with the targets. Exit 1 on a miss")
    parser.add_argument("--beside", type=Path, help="the folder of another checkout of Ringback, to measure too")
    parser.add_argument("--output", type=Path, help="a folder for RESULTS.md. A whole run writes it to benchmarks/")
    parser.add_argument("--minutes", type=int, default=10, help="how long the row trouble lasts")
    parser.add_argument("--behind", type=int, default=1_000_000, help="open events behind the row trouble")
    given = parser.parse_args()
    if given.check and given.quick:
        parser.error("a quick run is too short to check: leave --quick out")
    if not given.only and not given.quick and given.beside is None:
        given.output = given.output or Path(__file__).parent
    if given.output is not None and find_spec("matplotlib") is None:
        parser.error("the plots want matplotlib: install the extra bench")
    return given


def _measure(names: list[str], given: argparse.Namespace) -> dict[str, Result]:
    beside = given.beside.resolve() if given.beside else None
    results: dict[str, Result] = {}
    with tempfile.TemporaryDirectory(prefix="ringback-bench-") as folder, local_telnyx(Path(folder)) as telnyx:
        for name in names:
            began = time.monotonic()
            own = Path(folder) / name
            own.mkdir()
            scale = Scale(given.quick, own, telnyx, beside, given.minutes, given.behind)
            results[name] = _run(ROWS[name], scale)
            print_tables(results[name])
            print(f"({name}: {time.monotonic() - began:.0f} s)\n", flush=True)
    return results


def _run(row: Row, scale: Scale) -> Result:
    """Measure a row. One that fails has no figures, so that its targets count as not measured, and the others go on."""
    try:
        return row.run(scale)
    except (Failed, RuntimeError, OSError, subprocess.SubprocessError) as error:
        print(f"{row.name} failed: {error}", file=sys.stderr)
        return Result([Table(f"{row.name}: failed", ("why",), [[str(error).splitlines()[0]]])], failed=True)


if __name__ == "__main__":
    main()
