"""A plugin of pytest that records which statements of the Lua scripts each test runs, and how long it takes.

coverage.py records the same for lines of Python. `RINGBACK_MUTATION_RECORD` names the folder for the records. Each test
is a line of a file, so that a process that breaks loses nothing of the tests before.
"""

import json
import os
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from scripts.mutation.applying import LUA, ROOT, use_scripts
from scripts.mutation.lua_probes import reached, with_probes
from service.processes import embedded_server
from service.processes.embedded_server import EmbeddedServer

_start = embedded_server.start
_logs: dict[Path, int] = {}
_seconds: defaultdict[str, float] = defaultdict(float)


def _noted_start(*arguments: Any, **options: Any) -> EmbeddedServer:
    """Start a server, whose log is read from then on."""
    server = _start(*arguments, **options)
    _logs[server.folder.log] = 0
    return server


def pytest_configure() -> None:
    """Put probes into the scripts of this process, before it loads any."""
    embedded_server.start = _noted_start
    found = {str(each.relative_to(ROOT)): each.read_bytes() for each in (ROOT / LUA).rglob("*.lua")}
    use_scripts({name: with_probes(name, source) for name, source in found.items()}, _folder() / f"lua-{os.getpid()}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Write what one test has run."""
    _new_lines()
    result = yield
    row = {"test": item.nodeid, "seconds": round(_seconds[item.nodeid], 3), "reached": sorted(reached(_new_lines()))}
    with (_folder() / f"{os.getpid()}.record").open("a") as written:
        written.write(json.dumps(row) + "\n")
    return result


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Note the time of a test."""
    _seconds[report.nodeid] += report.duration


def _new_lines() -> str:
    """Return what the servers have written since the last call."""
    found = []
    for log, offset in list(_logs.items()):
        if not log.exists():
            del _logs[log]
            continue
        with log.open(errors="replace") as lines:
            lines.seek(offset)
            found.append(lines.read())
            _logs[log] = lines.tell()
    return "".join(found)


def _folder() -> Path:
    return Path(os.environ["RINGBACK_MUTATION_RECORD"])
