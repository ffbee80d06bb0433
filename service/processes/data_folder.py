"""The data folder of an embedded server: its lock, and the socket by which clients reach the server.

EmbeddedServerError
├── NoServer       this machine has no server program to run
├── FolderInUse    another Ringback runs on the data folder
├── ServerFailed   the server does not start, and its last log lines are quoted
└── NotRunning     no server runs on the data folder
"""

import os
import socket
import stat
import tempfile
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote

from service.processes.disk_space import describe_failed_write

LONGEST_SOCKET = 100  # bytes: macOS takes 103, Linux 107
STOP_SECONDS = 10.0
ANSWER_SECONDS = 1.0

_SOCKET = "valkey.sock"
_SOCKET_RECORD = "socket"
_LOG = "valkey.log"


class EmbeddedServerError(Exception):
    """There is no embedded server to use. The text says what to do."""


class NoServer(EmbeddedServerError):
    """This machine has no server program to run."""


class FolderInUse(EmbeddedServerError):
    """Another Ringback runs on the data folder."""


class ServerFailed(EmbeddedServerError):
    """The server does not start."""


class NotRunning(EmbeddedServerError):
    """No server runs on the data folder."""


@dataclass(frozen=True)
class Folder:
    """A data folder whose lock this process holds, and the socket on which its server listens."""

    data: Path
    socket: Path
    lock: BinaryIO

    @property
    def log(self) -> Path:
        """The server's log."""
        return self.data / _LOG

    def release(self) -> None:
        """Release the folder, after its server has ended. A second call does nothing."""
        if not self.lock.closed:
            _forget_socket(self.data)
            self.lock.close()


def claim(data: Path, *, wait: float = 0.0) -> Folder:
    """Make the folder if there is none, lock it, and choose its server's socket. `wait` is in seconds.

    The lock lasts until every process that has inherited `Folder.lock` has ended. On macOS a killed `up` leaves a
    server without the lock. It is stopped, and the next one uses its data.

    Raises:
        FolderInUse: another Ringback runs on the folder.
        ServerFailed: the folder cannot be written, or no socket can be made for it.
    """
    data = data.resolve()
    try:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        with ExitStack() as undo:
            lock = undo.enter_context(_locked(data, wait))
            _end_leftover(data)
            folder = Folder(data, _settled_socket(data), lock)
            undo.pop_all()
    except OSError as error:
        why = describe_failed_write(error, "set RINGBACK_DATA to a folder that this user can write to")
        raise ServerFailed(f"{data} cannot hold the data: {why}") from error
    return folder


def socket_of(data: Path) -> Path | None:
    """Return the socket of the server on a folder, or None. The server may have crashed since."""
    data = data.resolve()
    with suppress(PermissionError):
        for path in (data / _SOCKET, _recorded_socket(data)):
            if path is not None and path.is_socket():
                return path
    return None


def running_url(data: Path) -> str:
    """Return the URL of the server on a folder. One that still loads its data counts.

    Raises:
        NotRunning: none answers there.
    """
    path = socket_of(data)
    if path is None or not answers(path):
        raise NotRunning(f"no embedded server runs in {data.resolve()}: start `ringback up`, or set REDIS_URL")
    return url_of(path)


def url_of(path: Path) -> str:
    """Return a socket's path as a URL that `redis.from_url` takes."""
    return f"unix://{quote(str(path))}"


def answers(path: Path) -> bool:
    """Return whether a server listens on a socket, even while it loads its data."""
    return ask_ping(path) != b""


def _locked(data: Path, wait: float) -> BinaryIO:
    import fcntl  # noqa: PLC0415 - not on Windows, where `find_server` has already said what to do

    deadline = time.monotonic() + wait
    with ExitStack() as undo:
        lock = undo.enter_context((data / "lock").open("ab"))
        while True:
            with suppress(BlockingIOError):
                # The kernel frees this lock when its process dies, even by kill -9: no stale lock is left.
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            if time.monotonic() > deadline:
                raise FolderInUse(
                    f"{data} is in use by another Ringback: stop that one, or set RINGBACK_DATA to another folder"
                )
            time.sleep(0.05)
        undo.pop_all()
    return lock


def _end_leftover(data: Path) -> None:
    deadline = time.monotonic() + STOP_SECONDS
    while (path := socket_of(data)) is not None and answers(path):
        # Each write that it has answered is on disk already, so it has nothing to save.
        _ask(path, b"SHUTDOWN NOSAVE NOW FORCE")
        if time.monotonic() > deadline:
            raise FolderInUse(f"the server of a killed Ringback in {data} does not stop: end it by its process id")
        time.sleep(0.05)


def _settled_socket(data: Path) -> Path:
    path = data / _SOCKET
    if _fits(path):
        _forget_socket(data)
        return path
    # Kept from one server to the next, since clients go on looking where they found the first one.
    recorded = _recorded_socket(data)
    if recorded is not None:
        return recorded
    path = Path(tempfile.mkdtemp(prefix="ringback-"), _SOCKET)
    if not _fits(path):
        path.parent.rmdir()
        raise ServerFailed(f"{path} is too long for a socket: set RINGBACK_DATA or TMPDIR to a shorter path")
    (data / _SOCKET_RECORD).write_bytes(os.fsencode(path))
    return path


def _fits(path: Path) -> bool:
    return len(os.fsencode(path)) <= LONGEST_SOCKET


def _recorded_socket(data: Path) -> Path | None:
    """Return the socket outside the folder, if its record names a private folder of the record's writer."""
    record = data / _SOCKET_RECORD
    try:
        path = Path(os.fsdecode(record.read_bytes()))
        owner, folder = record.stat().st_uid, path.parent.lstat()
    except (OSError, ValueError):
        return None
    private = stat.S_ISDIR(folder.st_mode) and folder.st_uid == owner and not folder.st_mode & 0o077
    return path if private and path.name == _SOCKET else None


def _forget_socket(data: Path) -> None:
    recorded = _recorded_socket(data)
    for path in (data / _SOCKET, data / _SOCKET_RECORD, recorded):
        if path is not None:
            path.unlink(missing_ok=True)
    if recorded is not None:
        with suppress(OSError):
            recorded.parent.rmdir()


def ask_ping(path: Path) -> bytes:
    """Return a server's answer to PING: `+PONG`, an error such as `-LOADING`, or nothing."""
    return _ask(path, b"PING")


def _ask(path: Path, command: bytes) -> bytes:
    with suppress(OSError), socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(ANSWER_SECONDS)
        connection.connect(str(path))
        connection.sendall(command + b"\r\n")
        return connection.recv(64)
    return b""
