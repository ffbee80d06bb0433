"""Change the code in one place, run the tests that cover it, and see whether one of them fails. Do so many times.

Usage: `scripts/soak mutants --record`, then `scripts/soak mutants [--seed N] [--sample N] [--files PATH …]`. A
survivor is a mutant that no test notices. `scripts/mutation/survivors.toml` explains those that do no harm.

Exit codes: 0 at least 95 of 100 are killed or explained, 1 fewer, 2 bad usage.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from scripts.mutation import covering_tests
from scripts.mutation.applying import ROOT
from scripts.mutation.covering_tests import FOLDER, MUTATED, Coverage, Unrecorded, in_memory
from scripts.mutation.judging import Job, Judgement, write_jobs
from scripts.mutation.mutants import Mutant, mutants

FLOOR = 0.95


def sources(paths: list[str]) -> dict[str, bytes]:
    """Return the sources below paths by their names below the root."""
    found: list[Path] = []
    for path in (ROOT / each for each in paths):
        found += [path] if path.is_file() else [*path.rglob("*.lua"), *path.rglob("*.py")]
    return {str(each.relative_to(ROOT)): each.read_bytes() for each in sorted(found)}


def explained() -> dict[tuple[str, str, str], str]:
    """Return why survivors do no harm, by file and by their lines before and after."""
    table = tomllib.loads(Path(__file__).with_name("survivors.toml").read_text())
    return {(each["file"], each["before"], each["after"]): each["why"] for each in table["mutant"]}


def chosen(texts: dict[str, bytes], *, seed: int, sample: int) -> list[Mutant]:
    """Return mutants by a seed: one of each file, and the others by its number of mutants. 0 asks for all."""
    by_file = {file: mutants(file, source) for file, source in texts.items()}
    if not sample:
        return [each for found in by_file.values() for each in found]
    ordered: list[tuple[bool, float, Mutant]] = []
    for file, found in by_file.items():
        # Each file gives its mutants at even distances, so that the sample is spread as the mutants are.
        dice = random.Random(f"{seed} {file}")
        offset = dice.random()
        for place, mutant in enumerate(dice.sample(found, len(found))):
            ordered.append((place > 0, (place + offset) / len(found), mutant))
    ordered.sort(key=lambda each: each[:2])
    return [mutant for *_, mutant in ordered[:sample]]


def jobs_of(
    wanted: list[Mutant], texts: dict[str, bytes], coverage: Coverage, most: float, also: Sequence[str] = ()
) -> list[Job]:
    """Return the mutants with the tests that judge them: `also`, and others of `most` seconds, 0 for no limit."""
    jobs = []
    for number, mutant in enumerate(wanted):
        tests = coverage.of(mutant, texts[mutant.file])
        jobs.append(Job(number, mutant, [*also, *(_first(tests, coverage.seconds, most) if most else tests)]))
    return jobs


def _first(tests: Iterable[str], seconds: dict[str, float], most: float) -> Iterator[str]:
    left = most
    for each in tests:
        if left <= 0:
            return
        yield each
        left -= seconds[each]


def run(jobs: list[Job], seconds: dict[str, float], *, file: Path = FOLDER / "jobs") -> dict[int, Judgement]:
    """Judge the mutants of jobs, which a file gets. Return the results by number."""
    write_jobs(file, jobs, seconds)
    places = sorted({test.partition("::")[0] for job in jobs for test in job.tests})
    options = ["-n", "0", "-s", "-p", "scripts.mutation.judging", "-p", "no:cacheprovider", "-o", "timeout=0"]
    command = [sys.executable, "-m", "pytest", *options, *places]
    if places:
        environment = {**os.environ, "RINGBACK_MUTATION_JOB": str(file), **in_memory()}
        subprocess.run(command, cwd=ROOT, env=environment, check=False)
    rows = [json.loads(line) for line in file.with_suffix(".judgements").read_text().splitlines()]
    return {row["number"]: Judgement(**row) for row in rows}


def report(jobs: list[Job], judgements: dict[int, Judgement], texts: dict[str, bytes]) -> bool:
    """Print survivors and figures. Return whether enough mutants are killed, and all were judged."""
    known, counts = explained(), defaultdict[str, Counter[str]](Counter)
    for job in jobs:
        file, source = job.mutant.file, texts[job.mutant.file]
        lines = job.mutant.lines(source)
        result = judgements[job.number].result if job.number in judgements else "not run"
        if result == "survived" and (file, *lines) in known:
            result = "explained"
        counts[_group(file)][result] += 1
        if result in {"survived", "broken"}:
            print(f"{result}, {len(job.tests)} tests: {file}:{job.mutant.line(source)}\n  - {lines[0]}\n  + {lines[1]}")
    total = sum(counts.values(), Counter[str]())
    for group, found in [*sorted(counts.items()), ("all", total)]:
        print(
            f"{group}: {_score(found)}, " + ", ".join(f"{number} {result}" for result, number in sorted(found.items()))
        )
    judged = total["killed"] + total["explained"] + total["survived"]
    return judged > 0 and total["survived"] <= (1 - FLOOR) * judged and not total["broken"] + total["not run"]


def _group(file: str) -> str:
    return "Lua" if file.endswith(".lua") else "/".join(file.split("/")[:2])


def _score(counts: Counter[str]) -> str:
    noticed = counts["killed"] + counts["explained"]
    judged = noticed + counts["survived"]
    return f"{noticed / judged:.1%} of {judged}" if judged else "none judged"


def main(arguments: list[str]) -> int:
    """Run what the arguments ask for. Return the exit code."""
    parser = argparse.ArgumentParser(prog="mutants", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--record", action="store_true", help="first record which tests cover which statements")
    parser.add_argument("--tests", nargs="*", default=["tests"], help="the tests to record")
    parser.add_argument("--processes", type=int, default=2, help="how many processes record")
    parser.add_argument("--files", nargs="*", default=MUTATED, help="files or folders to change")
    parser.add_argument("--seed", type=int, default=1, help="decides which mutants are judged")
    parser.add_argument("--sample", type=int, default=300, help="how many mutants are judged, 0 for all")
    parser.add_argument(
        "--seconds", type=float, default=20, help="how long the tests of a mutant take, 0 for all tests"
    )
    parser.add_argument("--also", nargs="*", default=[], help="new tests, which judge each mutant first")
    asked = parser.parse_args(arguments)
    try:
        if asked.record:
            covering_tests.record(asked.tests, processes=asked.processes)
        coverage = covering_tests.read()
    except Unrecorded as error:
        print(error, file=sys.stderr)
        return 1
    if lost := covering_tests.without_lines(coverage):
        print(f"{lost} tests have no lines of Python in the record. A process of it has broken: repeat --record.")
    texts = sources(asked.files)
    jobs = jobs_of(chosen(texts, seed=asked.seed, sample=asked.sample), texts, coverage, asked.seconds, asked.also)
    return 0 if report(jobs, run(jobs, coverage.seconds), texts) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
