"""A plugin of pytest that records which Lua scripts each test calls, and how long it takes.

coverage.py records the same for lines of Python. `RINGBACK_MUTATION_RECORD` names the folder for the records.
"""

import json
import os
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.store import scripts
from service.store.scripts import Script

_script = scripts.script
_current = ""
_called: defaultdict[str, set[str]] = defaultdict(set)
_seconds: defaultdict[str, float] = defaultdict(float)
_failed: set[str] = set()


def _recording_script(name: str, *, needs_room: bool = False) -> Script:
    if _current:
        _called[_current].add(name)
    return _script(name, needs_room=needs_room)


# This plugin is loaded before the modules that import the function.
scripts.script = _recording_script  # type: ignore[assignment]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Note whose calls the next ones are."""
    global _current  # noqa: PLW0603 # threads of the test call scripts too
    _current = item.nodeid
    return (yield)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Note the time, and tests that do not pass on the unchanged code."""
    _seconds[report.nodeid] += report.duration
    if report.failed:
        _failed.add(report.nodeid)


def pytest_sessionfinish() -> None:
    """Write what this process has seen."""
    name = os.environ.get("PYTEST_XDIST_WORKER", "main")
    file = Path(os.environ["RINGBACK_MUTATION_RECORD"]) / f"{name}.record"
    tests = {
        test: {"scripts": sorted(_called[test]), "seconds": seconds}
        for test, seconds in _seconds.items()
        if test not in _failed
    }
    file.write_text(json.dumps(tests))
