"""Find the other users of this machine who can change or read the data folder, key files or `.env`."""

import stat
from pathlib import Path


class Exposed(Exception):
    """Everybody on this machine can change a file, or read a key. The text says what to do."""


def require_private(path: Path, *, secret: bool = False) -> None:
    """Refuse a file or folder that everybody can write to, and a `secret` one that everybody can read.

    A missing file is private.

    Raises:
        Exposed: it is not.
    """
    mode = _mode(path)
    if mode & stat.S_IWOTH:
        raise Exposed(f"{path}: everybody on this machine can write to it: chmod o-w {path}, or use another folder")
    if secret and mode & stat.S_IROTH:
        raise Exposed(f"{path}: everybody on this machine can read this key: chmod 600 {path}, and make another key")


def group_access(path: Path, *, secret: bool = False) -> str | None:
    """Return a warning if a group can write to a file or folder, or read a `secret` one."""
    mode = _mode(path)
    if mode & stat.S_IWGRP:
        return f"{path}: its group can write to it: chmod g-w {path}, unless all of them may change what it holds"
    if secret and mode & stat.S_IRGRP:
        return f"{path}: its group can read this key: chmod 600 {path}"
    return None


def everybody_reads(path: Path) -> bool:
    """Return whether everybody on this machine can read a file."""
    return bool(_mode(path) & stat.S_IROTH)


def _mode(path: Path) -> int:
    try:
        return path.stat().st_mode
    except OSError:
        return 0
