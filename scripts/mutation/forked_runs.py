"""A plugin of pytest that runs tests in forks, each with one mutant in force.

All is imported and collected once. A fork ends at its first failed test. `RINGBACK_MUTATION_JOB` names the file with
the jobs, and the results are written beside it.
"""

import contextlib
import gc
import json
import os
import resource
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

import pytest

from scripts.mutation.applying import Imported
from scripts.mutation.mutants import Mutant
from service.processes.parent_death import end_with_parent
from tests import waiting

WAIT = 45.0
"""Seconds that a test waits for what a mutant may never do."""
CPU = 40
"""Seconds of CPU that a test may use."""
UNAPPLIED = 3
RESULTS = {0: "survived", 1: "killed", 2: "broken", UNAPPLIED: "unapplied"}
"""The meanings of exit codes. A run that hangs is stopped by a signal."""


@dataclass(frozen=True, slots=True)
class Job:
    """One run. Without a mutant it is a control, whose tests must pass. `seconds` is the time of its tests alone."""

    number: int
    mutant: Mutant | None
    tests: list[str]
    seconds: float


@dataclass
class Fork:
    """A run that is under way."""

    job: Job
    began: float

    @property
    def is_over_time(self) -> bool:
        """Whether it hangs."""
        return time.monotonic() > self.began + 120 + 3 * self.job.seconds


def read_jobs(file: Path) -> list[Job]:
    """Return the jobs of a file."""
    rows = json.loads(file.read_text())
    return [Job(**{**row, "mutant": row["mutant"] and Mutant(**row["mutant"])}) for row in rows]


def write_jobs(file: Path, jobs: list[Job]) -> None:
    """Write the jobs for `read_jobs`."""
    file.write_text(json.dumps([asdict(each) for each in jobs]))


@dataclass(frozen=True)
class Runner:
    """The collected tests, the imported functions and the folder that all forks share."""

    session: pytest.Session
    items: dict[str, pytest.Item]
    imported: Imported
    base: Path

    @classmethod
    def of(cls, session: pytest.Session, jobs: list[Job]) -> Self:
        """Return the runner of a session that has collected its tests."""
        base = session.config._tmp_path_factory.getbasetemp()  # type: ignore[attr-defined] # noqa: SLF001 # forks share none
        files = {each.mutant.file for each in jobs if each.mutant is not None}
        return cls(session, {each.nodeid: each for each in session.items}, Imported.now(files), base)

    def results(self, jobs: Iterator[Job], processes: int) -> Iterator[tuple[Job, str]]:
        """Yield each job with its result, as they end."""
        running: dict[int, Fork] = {}
        while self._start_more(jobs, running, processes) or running:
            process, code = _next_end(running)
            job = running.pop(process).job
            shutil.rmtree(self.base / str(job.number), ignore_errors=True)
            yield job, RESULTS.get(code, "stopped")

    def _start_more(self, jobs: Iterator[Job], running: dict[int, Fork], processes: int) -> bool:
        started = False
        while len(running) < processes and (job := next(jobs, None)):
            started = True
            parent = os.getpid()
            if (process := os.fork()) == 0:
                self._run(job, parent)
            running[process] = Fork(job, time.monotonic())
        return started

    def _run(self, job: Job, parent: int) -> None:
        """Run the tests of a job in this fork, and end it."""
        code = 2
        try:
            os.setsid()
            end_with_parent(parent)
            os.dup2(os.open(os.devnull, os.O_RDWR), 1)
            os.dup2(1, 2)
            (folder := self.base / str(job.number)).mkdir()
            self.session.config._tmp_path_factory._basetemp = folder  # type: ignore[attr-defined] # noqa: SLF001 # its own
            (waiting.wait_for.__kwdefaults__ or {})["seconds"] = WAIT
            code = self._tested(job, folder)
        finally:
            os._exit(code)

    def _tested(self, job: Job, folder: Path) -> int:
        if job.mutant is not None:
            try:
                self.imported.put_in_force(job.mutant, folder / "lua")
            except (SyntaxError, ValueError):
                return UNAPPLIED
        items = [self.items[each] for each in job.tests]
        for item, following in zip(items, [*items[1:], None], strict=False):
            _limit_cpu()
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            if self.session.testsfailed:
                with contextlib.suppress(BaseException):
                    self.session._setupstate.teardown_exact(None)  # noqa: SLF001 # stops the servers
                return 1
        return 0


def _limit_cpu() -> None:
    """End this process, or a server that it starts, once a test loops for ever."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    limit = int(used.ru_utime + used.ru_stime) + CPU
    resource.setrlimit(resource.RLIMIT_CPU, (limit, resource.RLIM_INFINITY))


def _next_end(running: dict[int, Fork]) -> tuple[int, int]:
    """Wait for the end of a run. Return its process and its exit code, which is negative after a signal."""
    while True:
        process, status = os.waitpid(-1, os.WNOHANG)
        if process in running:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process, signal.SIGKILL)
            return process, os.waitstatus_to_exitcode(status)
        for each, fork in running.items():
            if fork.is_over_time:
                os.kill(each, signal.SIGKILL)
        time.sleep(0.02)


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool:
    """Run the jobs in place of the collected tests."""
    file = Path(os.environ["RINGBACK_MUTATION_JOB"])
    # The tests' own configuration hides what is imported from the garbage collector, and so from us.
    gc.unfreeze()
    jobs = read_jobs(file)
    runner = Runner.of(session, jobs)
    gc.freeze()
    with file.with_suffix(".results").open("w") as written:
        for job, result in runner.results(iter(jobs), int(os.environ["RINGBACK_MUTATION_PROCESSES"])):
            written.write(json.dumps({"number": job.number, "result": result}) + "\n")
            written.flush()
            print(f"{job.number} {result}", file=sys.__stdout__, flush=True)
    return True
