"""Which tests run a statement, as the unchanged code showed."""

import json
import os
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from itertools import chain
from pathlib import Path

from coverage import CoverageData

from scripts.mutation.applying import ROOT
from scripts.mutation.lua_probes import statement_at
from scripts.mutation.mutants import Mutant

FOLDER = ROOT / "build" / "mutation"
CASES = 60
"""After how many cases of one function another function is asked first that takes twice as long."""
MUTATED = ["service/security", "service/store", "service/outbound"]
FAR = 3
"""How much sooner a test of the file's own package is asked than another that takes as long."""


class Unrecorded(Exception):
    """The tests could not be recorded."""


@dataclass(frozen=True)
class Coverage:
    """Tests by line of Python and by statement of Lua (`file:offset`), and their seconds."""

    lines: CoverageData
    seconds: dict[str, float]
    statements: dict[str, set[str]]
    sources: dict[str, bytes] = field(default_factory=dict)
    """The sources that were recorded. The files may have changed since."""

    def of(self, mutant: Mutant, source: bytes) -> list[str]:
        """Return the tests that run what a mutant changes, the nearest and quickest first."""
        then = self.sources.get(mutant.file, source)
        if mutant.file.endswith(".lua"):
            place = place_then(statement_at(source, mutant.start, mutant.end), source, then)
            found = self.statements.get(f"{mutant.file}:{place}", set())
        else:
            by_line = self.lines.contexts_by_lineno(str(ROOT / mutant.file))
            ends = (then.count(b"\n", 0, place_then(each, source, then)) + 1 for each in (mutant.start, mutant.end))
            contexts = chain.from_iterable(by_line.get(line, ()) for line in range(next(ends), next(ends) + 1))
            found = {each.rpartition("|")[0] for each in contexts}
        return self._in_order(found & self.seconds.keys(), mutant.file)

    def _in_order(self, tests: Iterable[str], file: str) -> list[str]:
        """Order tests: the quickest of the package first. Further cases of a function come later."""
        package = file.split("/")[1]
        cost = {each: self._cost(each, near=each.startswith(f"tests/{package}/")) for each in tests}
        by_function: Counter[str] = Counter()
        turns = {}
        for test in sorted(cost, key=lambda each: (cost[each], each)):
            function = test.partition("[")[0]
            turns[test] = by_function[function]
            by_function[function] += 1
        return sorted(cost, key=lambda each: (cost[each] * (1 + turns[each] / CASES), each))

    def _cost(self, test: str, *, near: bool) -> float:
        return (self.seconds[test] + 0.02) * (1 if near else FAR)


def place_then(place: int, now: bytes, then: bytes) -> int:
    """Return where a byte of a file was, before other lines of the file changed."""
    if now == then:
        return place
    lines, earlier = now.splitlines(keepends=True), then.splitlines(keepends=True)
    number, column = now.count(b"\n", 0, place), place - now.rfind(b"\n", 0, place) - 1
    blocks = SequenceMatcher(None, lines, earlier, autojunk=False).get_matching_blocks()
    block = max((each for each in blocks if each.a <= number), key=lambda each: each.a, default=blocks[0])
    return sum(map(len, earlier[: block.b + number - block.a])) + column


def record(tests: list[str], *, processes: int) -> None:
    """Run tests on the unchanged code, and keep what they run. A test that fails is kept too: others judge it.

    Raises:
        Unrecorded: pytest could not run them.
    """
    FOLDER.mkdir(parents=True, exist_ok=True)
    for each in FOLDER.glob("*.record"):
        each.unlink()
    files = {str(each.relative_to(ROOT)): each for folder in MUTATED for each in (ROOT / folder).rglob("*.*")}
    (FOLDER / "sources.json").write_text(
        json.dumps({name: each.read_text() for name, each in files.items() if each.suffix in {".py", ".lua"}})
    )
    (settings := FOLDER / "settings.ini").write_text(f"[run]\nsource = {','.join(MUTATED)}\n")
    environment = {"RINGBACK_MUTATION_RECORD": str(FOLDER), "COVERAGE_FILE": str(FOLDER / "coverage"), **in_memory()}
    coverage = (f"--cov-config={settings}", "--cov", "--cov-context=test", "--cov-report=")
    command = [sys.executable, "-m", "pytest", f"--numprocesses={processes}", "-p", "scripts.mutation.recording"]
    ran = subprocess.run([*command, *coverage, *tests], cwd=ROOT, env={**os.environ, **environment}, check=False)
    if ran.returncode not in (0, 1):
        raise Unrecorded(f"pytest ended with {ran.returncode}")


def in_memory() -> dict[str, str]:
    """Return the variable by which tests put their files, and so their servers, into memory. A disk is slow."""
    memory = Path("/dev/shm")  # noqa: S108 # each run of pytest makes a folder of its own there
    return {"PYTEST_DEBUG_TEMPROOT": str(memory)} if memory.is_dir() else {}


def read() -> Coverage:
    """Return what was recorded.

    Raises:
        Unrecorded: nothing was.
    """
    rows = [json.loads(line) for file in FOLDER.glob("*.record") for line in file.read_text().splitlines()]
    if not rows:
        raise Unrecorded("No tests are recorded. Run once with --record.")
    lines = CoverageData(str(FOLDER / "coverage"))
    lines.read()
    statements: defaultdict[str, set[str]] = defaultdict(set)
    for row in rows:
        for place in row["reached"]:
            statements[place].add(row["test"])
    sources = {name: text.encode() for name, text in json.loads((FOLDER / "sources.json").read_text()).items()}
    return Coverage(lines, {row["test"]: row["seconds"] for row in rows}, dict(statements), sources)


def without_lines(coverage: Coverage) -> int:
    """Return how many tests run Lua but no line of Python, as after a process of pytest that broke."""
    known = {each.rpartition("|")[0] for each in coverage.lines.measured_contexts()}
    return len(set().union(*coverage.statements.values()) - known)
