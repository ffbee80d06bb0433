"""Where a folder's files are kept: on a mount of their own, or in a container's writable layer."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

_TABLE = Path("/proc/self/mountinfo")
_MARKS = (Path("/run/.containerenv"), Path("/.dockerenv"))
"""Files that Podman and Docker put into each container."""
_VARIABLES = frozenset({"KUBERNETES_SERVICE_HOST", "container"})
"""Variables that Kubernetes and Podman set in each container."""
_IN_MEMORY = frozenset({"tmpfs", "ramfs"})
_LAYERED = frozenset({"overlay", "aufs", "fuse-overlayfs"})
_ANONYMOUS = re.compile(r"/volumes/[0-9a-f]{64}/_data$")
"""The place of a volume without a name, of Docker and of Podman."""
_OCTAL = re.compile(r"\\([0-7]{3})")
_MOUNT = "mount a volume there, such as docker run -v ringback-data:{path}"


@dataclass(frozen=True, slots=True)
class Mount:
    """One line of the mount table. `source` is the mounted folder within its own file system."""

    point: Path
    source: str
    kind: str


def in_container() -> bool:
    """Return whether this process runs in a container of Docker, Podman or Kubernetes."""
    return not _VARIABLES.isdisjoint(os.environ) or any(mark.exists() for mark in _MARKS)


def volatile_storage(folder: Path) -> str | None:
    """Return why the files of a folder do not last, and what to do. None where they last, or where nobody can tell."""
    path = folder.resolve()
    mount = mount_of(path)
    if mount is None:
        return None
    advice = _MOUNT.format(path=path)
    if mount.kind in _IN_MEMORY:
        return f"{path} is in memory ({mount.kind}), so a restart of the machine loses all events: {advice}"
    if mount.kind in _LAYERED or (in_container() and mount.point == Path("/")):
        return f"{path} lies in the container's writable layer, so its removal loses all events: {advice}"
    if _ANONYMOUS.search(mount.source):
        return f"{path} is a volume without a name, so a new container starts without its events: {advice}"
    return None


def mount_of(path: Path) -> Mount | None:
    """Return the mount that holds a resolved path, or None on a system without `/proc`."""
    try:
        mounts = [_read(line) for line in _TABLE.read_text().splitlines()]
    except OSError:
        return None
    holding = [each for each in mounts if path.is_relative_to(each.point)]
    # Of two mounts at the same point the later one covers the earlier one.
    return max(reversed(holding), key=lambda each: len(each.point.parts), default=None)


def _read(line: str) -> Mount:
    """Read a line. Source: proc_pid_mountinfo(5)."""
    fields, _, rest = line.partition(" - ")
    _, _, _, source, point, *_ = fields.split(" ")
    return Mount(Path(_unescaped(point)), _unescaped(source), rest.split(" ")[0])


def _unescaped(text: str) -> str:
    """Return a name with its blanks, which the table writes as octal numbers."""
    return _OCTAL.sub(lambda found: chr(int(found[1], 8)), text)
