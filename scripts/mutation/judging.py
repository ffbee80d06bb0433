"""A plugin of pytest that judges mutants in place of running the collected tests.

`RINGBACK_MUTATION_JOB` names the file with the jobs, and the results are written beside it. A failure counts only if
the same tests pass without the mutant, in a fork of the same process. One that looks like a time-out has to come twice.
"""

import json
import os
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import pytest

from scripts.mutation.forked_runs import Ended, Forks
from scripts.mutation.mutants import Mutant

Run = Callable[[Mutant | None, list[str]], Ended]


@dataclass(frozen=True, slots=True)
class Job:
    """One mutant, and the tests that may notice it, in the order in which they are asked."""

    number: int
    mutant: Mutant
    tests: list[str]


@dataclass(frozen=True, slots=True)
class Judgement:
    """A result: `killed`, `survived`, `unapplied` or `broken`. `test` has noticed the mutant."""

    number: int
    result: str
    test: str
    seconds: float


def read_jobs(file: Path) -> tuple[list[Job], dict[str, float]]:
    """Return the jobs of a file, and the seconds of tests."""
    content = json.loads(file.read_text())
    return [Job(**{**row, "mutant": Mutant(**row["mutant"])}) for row in content["jobs"]], content["seconds"]


def write_jobs(file: Path, jobs: list[Job], seconds: dict[str, float]) -> None:
    """Write the jobs for `read_jobs`."""
    file.write_text(json.dumps({"jobs": [asdict(each) for each in jobs], "seconds": seconds}))


@dataclass(frozen=True)
class Judge:
    """A judge of one mutant after the other. It learns which tests notice much, and which fail without a mutant."""

    run: Run
    sound: set[str] = field(default_factory=set)
    unsound: set[str] = field(default_factory=set)
    kills: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))

    def judge(self, job: Job) -> Judgement:
        """Run the tests of a job until one notices its mutant."""
        began = time.monotonic()
        result, test = self._result(job.mutant, self._in_order(job))
        if result == "killed":
            self.kills[job.mutant.file][test] += 1
        return Judgement(job.number, result, test, round(time.monotonic() - began, 1))

    def _in_order(self, job: Job) -> list[str]:
        """Return the sound tests of a job. Those that noticed other mutants of the file come first."""
        kills = self.kills[job.mutant.file]
        return sorted((each for each in job.tests if each not in self.unsound), key=lambda each: -kills[each])

    def _result(self, mutant: Mutant, tests: list[str]) -> tuple[str, str]:
        while tests:
            ended = self.run(mutant, tests)
            if ended.how in {"unapplied", "broken"}:
                return ended.how, ended.test
            if ended.how == "passed":
                return "survived", ""
            at = tests.index(ended.test)
            if self._passes_alone(tests[: at + 1]) and (ended.how == "failed" or self._fails(mutant, ended.test)):
                return "killed", ended.test
            tests = tests[at + 1 :]
        return "survived", ""

    def _passes_alone(self, tests: list[str]) -> bool:
        """Return whether tests pass without a mutant. The answer about the last one is remembered."""
        last = tests[-1]
        if last not in self.sound | self.unsound:
            ended = self.run(None, tests)
            if ended.how != "passed" and ended.test != last:
                self.unsound.add(ended.test)
                ended = self.run(None, [last])
            (self.sound if ended.how == "passed" else self.unsound).add(last)
        return last in self.sound

    def _fails(self, mutant: Mutant, test: str) -> bool:
        return self.run(mutant, [test]).how in {"failed", "hung"}


def _expanded(tests: list[str], items: list[pytest.Item]) -> Iterator[str]:
    """Yield the tests that there are still, and those of a file for its name."""
    names = {each.nodeid for each in items}
    for test in tests:
        if test in names:
            yield test
        elif "::" not in test:
            yield from (each.nodeid for each in items if each.nodeid.startswith(f"{test}::"))


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool:
    """Judge the mutants in place of the collected tests."""
    file = Path(os.environ["RINGBACK_MUTATION_JOB"])
    jobs, seconds = read_jobs(file)
    jobs = [replace(each, tests=list(_expanded(each.tests, session.items))) for each in jobs]
    forks = Forks.of(session, {each.mutant.file for each in jobs}, seconds)
    judge = Judge(forks.run)
    try:
        with file.with_suffix(".judgements").open("w") as written:
            for job in jobs:
                judgement = judge.judge(job)
                written.write(json.dumps(asdict(judgement)) + "\n")
                written.flush()
                line = f"{job.number + 1}/{len(jobs)} {judgement.result} {judgement.seconds} s {job.mutant.file}"
                print(line, file=sys.__stdout__, flush=True)
    finally:
        forks.server.stop()
    for each in sorted(judge.unsound):
        print(f"fails without a mutant, and is not asked: {each}", file=sys.__stdout__, flush=True)
    return True
