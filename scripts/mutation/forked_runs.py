"""Runs tests in forks of a process that has imported and collected all, each with one mutant in force."""

import contextlib
import gc
import os
import resource
import shutil
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import pytest

from scripts.mutation.applying import Imported
from scripts.mutation.mutants import Mutant
from scripts.mutation.shared_server import SharedServer
from service.processes.parent_death import end_with_parent
from tests import waiting

WAIT = 8.0
"""Seconds that a test waits for what a mutant may never do."""
CPU = 40
"""Seconds of CPU that a test may use."""
_PASSED, _FAILED, _BROKEN, _UNAPPLIED = 0, 1, 2, 3


@dataclass(frozen=True, slots=True)
class Ended:
    """How a run ended: `passed`, `failed`, `hung`, `broken` or `unapplied`, and at which test."""

    how: str
    test: str


@dataclass(frozen=True)
class Forks:
    """The collected tests, the imported functions, and the server that all forks share."""

    session: pytest.Session
    items: dict[str, pytest.Item]
    imported: Imported
    base: Path
    server: SharedServer
    seconds: dict[str, float]

    @classmethod
    def of(cls, session: pytest.Session, files: set[str], seconds: dict[str, float]) -> Self:
        """Return the forks of a session that has collected its tests. `files` are those of the mutants."""
        base = session.config._tmp_path_factory.getbasetemp()  # type: ignore[attr-defined] # noqa: SLF001 # forks share none
        # The tests' own configuration hides what is imported from the garbage collector, and so from us.
        gc.unfreeze()
        imported = Imported.now(files)
        gc.freeze()
        items = {each.nodeid: each for each in session.items}
        return cls(session, items, imported, base, SharedServer(base / "shared"), seconds)

    def run(self, mutant: Mutant | None, tests: list[str]) -> Ended:
        """Run tests, until one fails, with a mutant in force."""
        (folder := self.base / "fork").mkdir()
        (current := folder / "test").write_text("")
        parent, began = os.getpid(), time.monotonic()
        if (process := os.fork()) == 0:
            self._in_fork(mutant, tests, folder, parent)
        _, status = os.waitpid(process, 0)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process, signal.SIGKILL)
        test, _, at = current.read_text().rpartition(" at ")
        took = time.monotonic() - float(at or began)
        shutil.rmtree(folder, ignore_errors=True)
        self.server.clean()
        return Ended(_how(os.waitstatus_to_exitcode(status), hung=took > WAIT), test)

    def _in_fork(self, mutant: Mutant | None, tests: list[str], folder: Path, parent: int) -> None:
        """Run the tests in this fork, and end it."""
        code = _BROKEN
        try:
            os.setsid()
            end_with_parent(parent)
            os.dup2(os.open(os.devnull, os.O_RDWR), 1)
            os.dup2(1, 2)
            self.session.config._tmp_path_factory._basetemp = folder  # type: ignore[attr-defined] # noqa: SLF001 # its own
            (waiting.wait_for.__kwdefaults__ or {})["seconds"] = WAIT
            self.session.config.pluginmanager.register(_InFork(self.server.url))
            code = self._tested(mutant, tests, folder)
        finally:
            os._exit(code)

    def _tested(self, mutant: Mutant | None, tests: list[str], folder: Path) -> int:
        try:
            self.imported.put_in_force(mutant, folder / "lua")
        except (SyntaxError, ValueError):
            return _UNAPPLIED
        items = [self.items[each] for each in tests]
        for item, following in zip(items, [*items[1:], None], strict=False):
            (folder / "test").write_text(f"{item.nodeid} at {time.monotonic()}")
            _limit_cpu()
            signal.setitimer(signal.ITIMER_REAL, 2 * WAIT + 10 * self.seconds.get(item.nodeid, 1.0))
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        return _PASSED


@dataclass(frozen=True, eq=False)
class _InFork:
    """A plugin of a fork."""

    url: str

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """End the fork at the first failure. All that the test has opened ends with it."""
        if report.failed:
            os._exit(_FAILED)

    @pytest.hookimpl(tryfirst=True)
    def pytest_fixture_setup(self, fixturedef: pytest.FixtureDef[Any], request: Any) -> str | None:
        """Give the server that is there, in place of one for each fork."""
        if fixturedef.argname != "redis_url":
            return None
        fixturedef.cached_result = (self.url, fixturedef.cache_key(request), None)
        return self.url


def _how(code: int, *, hung: bool) -> str:
    """Return how a run ended, by its exit code, which is negative after a signal."""
    if code < 0 or (code == _FAILED and hung):
        return "hung"
    return {_PASSED: "passed", _FAILED: "failed", _UNAPPLIED: "unapplied"}.get(code, "broken")


def _limit_cpu() -> None:
    """End this process, or a server that it starts, once a test loops for ever."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    limit = int(used.ru_utime + used.ru_stime) + CPU
    resource.setrlimit(resource.RLIMIT_CPU, (limit, resource.RLIM_INFINITY))
