"""How much memory this process may use: the machine's, or what its container (cgroup) allows."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

SHARE = 1 / 3
"""The embedded server's share of memory. A rewrite of its file may need as much, and Python needs the rest."""
LEAST = 16 * 1024**2


def default_max_memory(root: Path = Path("/")) -> int:
    """Return the bytes that an embedded server may keep by default. `root` is for tests."""
    return max(LEAST, int(available_memory(root) * SHARE))


def available_memory(root: Path = Path("/")) -> int:
    """Return the bytes of memory of the machine, or of the tightest cgroup (v1 or v2) around this process."""
    return min([_physical(), *_cgroup_limits(root)])


def _physical() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        return 1024**3


def _cgroup_limits(root: Path) -> Iterator[int]:
    for file in _limit_files(root):
        with suppress(OSError, ValueError):
            # "max" is no number: no limit.
            limit = int(file.read_text())
            if limit > 0:
                yield limit


def _limit_files(root: Path) -> Iterator[Path]:
    """Yield the limits of this process's cgroup and of those around it, up to the mount.

    Within a container the path may be the host's, which the mount does not show: then the mount itself counts.
    """
    mount = root / "sys/fs/cgroup"
    for controllers, path in _memberships(root):
        parts = [each for each in path.split("/") if each not in ("", "..")]
        for depth in range(len(parts), -1, -1):
            if controllers == "":
                yield from (mount.joinpath(*parts[:depth], name) for name in ("memory.max", "memory.high"))
            elif "memory" in controllers.split(","):
                yield mount.joinpath("memory", *parts[:depth], "memory.limit_in_bytes")


def _memberships(root: Path) -> Iterator[tuple[str, str]]:
    with suppress(OSError):
        for line in (root / "proc/self/cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            yield controllers, path
