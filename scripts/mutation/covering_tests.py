"""Which tests run a line, as the unchanged code showed."""

import json
import os
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from coverage import CoverageData

from scripts.mutation.applying import LUA, ROOT
from scripts.mutation.mutants import Mutant
from service.store import scripts

FOLDER = ROOT / "build" / "mutation"


class Unrecorded(Exception):
    """The tests could not be recorded."""


@dataclass(frozen=True)
class Coverage:
    """Tests by line of Python and by script, with their seconds."""

    lines: CoverageData
    seconds: dict[str, float]
    calls: dict[str, set[str]]

    def of(self, mutant: Mutant, source: bytes) -> list[str]:
        """Return the tests that run what a mutant changes, those that do least first."""
        if mutant.file.endswith(".lua"):
            found = set(chain.from_iterable(self.calls.get(each, ()) for each in _scripts_with(mutant.file)))
        else:
            last = mutant.line(source) + source.count(b"\n", mutant.start, mutant.end)
            by_line = self.lines.contexts_by_lineno(str(ROOT / mutant.file))
            lines = chain.from_iterable(by_line.get(line, ()) for line in range(mutant.line(source), last + 1))
            found = {each.rpartition("|")[0] for each in lines}
        return self._focused_first(found & self.seconds.keys())

    def _focused_first(self, tests: Iterable[str]) -> list[str]:
        """Order tests. One that calls few scripts checks more of what each does, and takes less time."""
        scripts_of = Counter(chain.from_iterable(self.calls.values()))
        return sorted(tests, key=lambda each: (scripts_of[each], self.seconds[each], each))


def record(tests: list[str], *, processes: int) -> None:
    """Run tests on the unchanged code, and keep what they run.

    Raises:
        Unrecorded: pytest could not run them. A failed test is left out instead.
    """
    FOLDER.mkdir(parents=True, exist_ok=True)
    for each in FOLDER.glob("*"):
        each.unlink()
    environment = {"RINGBACK_MUTATION_RECORD": str(FOLDER), "COVERAGE_FILE": str(FOLDER / "coverage")}
    coverage = ("--cov", "--cov-context=test", "--cov-report=", "--cov-fail-under=0")
    command = [sys.executable, "-m", "pytest", f"--numprocesses={processes}", "-p", "scripts.mutation.scripts_by_test"]
    ran = subprocess.run([*command, *coverage, *tests], cwd=ROOT, env={**os.environ, **environment}, check=False)
    if ran.returncode not in (0, 1):
        raise Unrecorded(f"pytest ended with {ran.returncode}")


def read() -> Coverage:
    """Return what was recorded.

    Raises:
        Unrecorded: nothing was.
    """
    rows: dict[str, dict[str, object]] = {}
    for each in FOLDER.glob("*.record"):
        rows |= json.loads(each.read_text())
    if not rows:
        raise Unrecorded("No tests are recorded. Run once with --record.")
    lines = CoverageData(str(FOLDER / "coverage"))
    lines.read()
    calls: defaultdict[str, set[str]] = defaultdict(set)
    for test, row in rows.items():
        for name in row["scripts"]:  # type: ignore[attr-defined] # as `scripts_by_test` writes it
            calls[name].add(test)
    return Coverage(lines, {test: float(str(row["seconds"])) for test, row in rows.items()}, dict(calls))


def _scripts_with(file: str) -> Iterator[str]:
    """Yield the names of the scripts that hold a file of Lua."""
    path = Path(file).relative_to(LUA)
    if path.parent != Path("lib"):
        yield path.stem
        return
    text = (ROOT / file).read_text()
    for each in sorted((ROOT / LUA).glob("*.lua")):
        if text in scripts.script(each.stem).text:
            yield each.stem
