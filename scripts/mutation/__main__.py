"""Change the code in one place, run the tests that cover it, and see whether one of them fails. Do so many times.

Usage: `scripts/soak mutants --record`, then `scripts/soak mutants [--seed N] [--sample N] [--files PATH …]`. A
survivor is a mutant that no test notices. `scripts/mutation/survivors.toml` explains those that do no harm.

Exit codes: 0 at least 95 of 100 are killed or explained, 1 fewer, 2 bad usage. A control that fails is 1 too.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tomllib
from collections import Counter
from pathlib import Path

from scripts.mutation import covering_tests
from scripts.mutation.applying import ROOT
from scripts.mutation.covering_tests import FOLDER, Coverage, Unrecorded
from scripts.mutation.forked_runs import Job, write_jobs
from scripts.mutation.mutants import Mutant, mutants

FILES = ["service/security", "service/store", "service/outbound"]
TESTS = [
    "tests/handlers",
    "tests/healing",
    "tests/ingress",
    "tests/messages",
    "tests/outbound",
    "tests/security",
    "tests/store",
    "tests/worker",
]
FLOOR = 0.95
CONTROL_EVERY = 20


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
    """Return mutants by a seed. A sample of 0 has them all."""
    found = [each for file, source in texts.items() for each in mutants(file, source)]
    return random.Random(seed).sample(found, min(sample, len(found))) if sample else found


def jobs_of(wanted: list[Mutant], texts: dict[str, bytes], coverage: Coverage, most: int) -> list[Job]:
    """Return the runs of mutants, and of controls between them."""
    jobs: list[Job] = []
    for mutant in wanted:
        tests = coverage.of(mutant, texts[mutant.file])[: most or None]
        seconds = sum(coverage.seconds[each] for each in tests)
        jobs.append(Job(len(jobs), mutant, tests, seconds))
        if len(jobs) % CONTROL_EVERY == CONTROL_EVERY - 1:
            jobs.append(Job(len(jobs), None, tests, seconds))
    return jobs


def run(jobs: list[Job], *, processes: int, file: Path = FOLDER / "jobs") -> dict[int, str]:
    """Run jobs, which a file gets. Return their results by number."""
    write_jobs(file, jobs)
    places = sorted({test.partition("::")[0] for job in jobs for test in job.tests})
    environment = {"RINGBACK_MUTATION_JOB": str(file), "RINGBACK_MUTATION_PROCESSES": str(processes)}
    options = ["-n", "0", "-s", "-p", "scripts.mutation.forked_runs", "-p", "no:cacheprovider"]
    command = [sys.executable, "-m", "pytest", *options, *places]
    subprocess.run(command, cwd=ROOT, env={**os.environ, **environment}, check=False)
    rows = [json.loads(line) for line in file.with_suffix(".results").read_text().splitlines()]
    return {row["number"]: row["result"] for row in rows}


def report(jobs: list[Job], results: dict[int, str], texts: dict[str, bytes]) -> bool:
    """Print survivors and figures. Return whether enough mutants are killed, and the controls passed."""
    known, counts = explained(), Counter[str]()
    for job in jobs:
        result = results.get(job.number, "not run")
        if job.mutant is None:
            counts[{"survived": "controls passed", "not run": result}.get(result, "controls failed")] += 1
            continue
        lines = job.mutant.lines(texts[job.mutant.file])
        if result == "survived":
            result = "explained" if (job.mutant.file, *lines) in known else result
        counts[result] += 1
        if result in ("survived", "broken"):
            place = f"{job.mutant.file}:{job.mutant.line(texts[job.mutant.file])}"
            print(f"{result}, {len(job.tests)} tests: {place}\n  - {lines[0]}\n  + {lines[1]}")
    print(", ".join(f"{number} {result}" for result, number in sorted(counts.items())))
    noticed = counts["killed"] + counts["stopped"] + counts["explained"]
    judged = noticed + counts["survived"]
    print(f"score {noticed / judged:.1%} of {judged}" if judged else "no mutant was run")
    return judged > 0 and noticed / judged >= FLOOR and not _unjudged(counts)


def _unjudged(counts: Counter[str]) -> int:
    """Return how many runs say nothing about the tests, or against the runs themselves."""
    return counts["controls failed"] + counts["broken"] + counts["not run"]


def main(arguments: list[str]) -> int:
    """Run what the arguments ask for. Return the exit code."""
    parser = argparse.ArgumentParser(prog="mutants", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--record", action="store_true", help="first record which tests cover which lines")
    parser.add_argument("--tests", nargs="*", default=TESTS, help="the tests to record")
    parser.add_argument("--files", nargs="*", default=FILES, help="files or folders to change")
    parser.add_argument("--seed", type=int, default=1, help="decides which mutants are run")
    parser.add_argument("--sample", type=int, default=300, help="how many mutants are run, 0 for all")
    parser.add_argument("--most-tests", type=int, default=150, help="how many tests may judge a mutant, 0 for all")
    parser.add_argument("--processes", type=int, default=2, help="how many runs at once")
    asked = parser.parse_args(arguments)
    try:
        if asked.record:
            covering_tests.record(asked.tests, processes=asked.processes)
        coverage = covering_tests.read()
    except Unrecorded as error:
        print(error, file=sys.stderr)
        return 1
    texts = sources(asked.files)
    jobs = jobs_of(chosen(texts, seed=asked.seed, sample=asked.sample), texts, coverage, asked.most_tests)
    return 0 if report(jobs, run(jobs, processes=asked.processes), texts) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
