"""Places in a folder that several processes share, each held by one process at a time for as long as it lives.

The data in a slot outlives its holder, and the next holder goes on from it: so there are
never more slots than processes at once, however often they are started again.
"""

import os
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import BinaryIO


class ProcessSlot:
    """One process's slot. It is free again when the process has ended, in whatever way."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock, name = _take(folder)
        self._path = folder / f"{name}.json"

    def read(self) -> bytes:
        """Return the last data in this slot, of this process or earlier holders; empty where there is none."""
        with suppress(FileNotFoundError):
            return self._path.read_bytes()
        return b""

    def write(self, content: bytes) -> None:
        """Replace what is written here; nobody ever reads half of it.

        Raises:
            OSError: there is no room.
        """
        draft = self._path.with_suffix(".draft")
        draft.write_bytes(content)
        draft.replace(self._path)

    def others(self) -> list[bytes]:
        """Return the data of all other slots, held or not."""
        return [path.read_bytes() for path in sorted(self._folder.glob("*.json")) if path != self._path]

    def close(self) -> None:
        """Let another process have it."""
        if self._lock is not None:
            self._lock.close()


def _take(folder: Path) -> tuple[BinaryIO | None, str]:
    """The lock and the name of the first free slot."""
    try:
        import fcntl  # noqa: PLC0415 - not on Windows, where each process has a slot of its own and none is taken again
    except ImportError:
        return None, str(os.getpid())
    for number in count():
        lock = (folder / f"{number}.lock").open("ab")
        try:
            # The kernel frees this lock when its process dies, even by kill -9: the next process takes the slot.
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
        else:
            return lock, str(number)
    raise AssertionError("there is always another number")
