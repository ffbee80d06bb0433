"""Ringback, its peers, and verification alone, each as its commands."""

import json
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from subprocess import Popen

from benchmarks import handled
from benchmarks.machine import SERVER_CORE
from benchmarks.processes import ROOT, await_port, clean_environment, free_port, running
from benchmarks.redis_server import Fsync, RedisServer
from benchmarks.row import Scale
from benchmarks.signed_events import PUBLIC_KEY

RINGBACK = (sys.executable, "-m", "service.cli")
PEERS = Path(__file__).parent / "peers"
BULLMQ = PEERS / "bullmq"


@dataclass(frozen=True)
class Stack:
    """A receiver and a worker. `leaves_out` says which work of Ringback it does not do."""

    name: str
    receiver: tuple[str, ...]
    worker: tuple[str, ...] = ()
    variables: dict[str, str] = field(default_factory=dict)
    leaves_out: str = ""
    checkout: Path = ROOT
    missing: str = ""
    """Why it cannot be run here, or nothing."""
    fsync: Fsync = "always"
    """How often the server of its pipeline writes to disk."""

    def environment(self, redis: RedisServer, scale: Scale, **variables: str) -> dict[str, str]:
        """Return the environment of its processes."""
        account = account_variables(scale)
        return clean_environment({**account, "REDIS_URL": redis.url, **self.variables, **variables}, self.checkout)


def account_variables(scale: Scale) -> dict[str, str]:
    """Return the variables that name the account of the load, at the local Telnyx."""
    return {"TELNYX_PUBLIC_KEY": PUBLIC_KEY, "TELNYX_API_KEY": "KEY", "TELNYX_BASE_URL": f"{scale.telnyx}/v2"}


@dataclass(frozen=True)
class Receiver:
    """A receiver that listens."""

    port: int
    process: "Popen[bytes]"


@dataclass(frozen=True)
class Worker:
    """A worker that runs, and the file in which its handlers note events."""

    process: "Popen[bytes]"
    file: Path
    log: Path


def _python(*words: str) -> tuple[str, ...]:
    return (sys.executable, "-m", *words)


def _node(script: str) -> tuple[str, ...]:
    return (shutil.which("node") or "node", str(BULLMQ / script))


def _without_node() -> str:
    if shutil.which("node") is None:
        return "not present: node is not installed"
    return "" if (BULLMQ / "node_modules").exists() else "not present: run `npm install` in benchmarks/peers/bullmq"


def _without(package: str) -> str:
    return "" if find_spec(package) else f"not present: {package} is not installed (extra `bench`)"


_NAIVE = _python("benchmarks.peers.receiver")
_NO_DEDUPE = "an event that comes again runs again. No record of handlers, search, audit, metrics or bounds on requests"

RINGBACK_STACK = Stack(
    "Ringback",
    (*RINGBACK, "ingress"),
    (*RINGBACK, "worker"),
    {"HANDLERS": "benchmarks.noop_handlers:router", "RINGBACK_CONCURRENCY": "100"},
)
EVERY_SECOND = replace(RINGBACK_STACK, name="Ringback, fsync every second", fsync="everysec")
"""It shows what the disk takes of a time. An accepted event may be lost."""
VERIFICATION = Stack(
    "verification alone",
    _python("benchmarks.peers.verification"),
    leaves_out="parses nothing, keeps nothing: Ringback's server, signature check and an answer",
)
BARE = Stack(
    "a list alone",
    _python("benchmarks.peers.bare_pipeline", "receiver"),
    _python("benchmarks.peers.bare_pipeline", "worker"),
    leaves_out="verifies, parses and keeps nothing. So it shows the sockets, the processes and the disk",
)
ARQ = Stack(
    "Starlette + arq",
    _NAIVE,
    _python("benchmarks.peers.arq_worker"),
    {"BENCH_QUEUE": "arq"},
    "remembers an event for an hour. No record of handlers, search, audit, metrics or bounds on requests",
)
ARQ_BEST = Stack(
    "Starlette + arq, best settings",
    _NAIVE,
    _python("benchmarks.peers.arq_worker"),
    {"BENCH_QUEUE": "arq", "BENCH_TUNED": "1"},
    f"{_NO_DEDUPE}. No log of jobs",
)
SAQ = Stack(
    "Starlette + SAQ",
    _NAIVE,
    _python("benchmarks.peers.saq_worker"),
    {"BENCH_QUEUE": "saq"},
    "remembers an event for ten minutes. No record of handlers, search, audit, metrics or bounds on requests",
    missing=_without("saq"),
)
CELERY = Stack(
    "Starlette + Celery",
    _NAIVE,
    _python("celery", "-A", "benchmarks.peers.celery_app", "worker", "--pool", "solo", "-l", "warning"),
    {"BENCH_QUEUE": "celery"},
    f"{_NO_DEDUPE}. One task at a time",
    missing=_without("celery"),
)
EXPRESS = Stack(
    "Express + BullMQ",
    _node("receiver.js"),
    _node("worker.js"),
    {"BENCH_CONCURRENCY": "100"},
    "remembers an event for an hour. No record of handlers, search, audit, metrics or bounds on requests",
    missing=_without_node(),
)


def node_packages() -> dict[str, str]:
    """Return the versions of the node packages of a peer, where they are present."""
    files = {name: BULLMQ / "node_modules" / name / "package.json" for name in ("express", "bullmq")}
    return {name: json.loads(file.read_text())["version"] for name, file in files.items() if file.exists()}


def beside(checkout: Path | None) -> list[Stack]:
    """Return Ringback of another checkout, where one is to be measured too."""
    if checkout is None:
        return []
    ours = RINGBACK_STACK
    return [Stack("Ringback, other checkout", ours.receiver, ours.worker, ours.variables, checkout=checkout)]


@contextmanager
def local_telnyx(folder: Path) -> Iterator[str]:
    """Run a local Telnyx until the block ends. It gives its address."""
    port = free_port()
    command = (*RINGBACK, "simulator", "--port", str(port))
    with running(command, folder, "simulator", clean_environment({})) as process:
        await_port(port, process, folder / "simulator.log")
        yield f"http://127.0.0.1:{port}"


@contextmanager
def receiving(
    stack: Stack, redis: RedisServer, scale: Scale, *, core: int | None = SERVER_CORE, **variables: str
) -> Iterator[Receiver]:
    """Run a stack's receiver until the block ends."""
    port, name = free_port(), _file_name(stack, "receiver")
    environment = stack.environment(redis, scale, BENCH_PORT=str(port), RINGBACK_PORT=str(port), **variables)
    with running(stack.receiver, scale.folder, name, environment, core=core) as process:
        await_port(port, process, scale.folder / f"{name}.log")
        yield Receiver(port, process)


@contextmanager
def working(
    stack: Stack, redis: RedisServer, scale: Scale, *, core: int | None = SERVER_CORE, **variables: str
) -> Iterator[Worker]:
    """Run a stack's worker until the block ends. Its handlers note events in a file of its own."""
    name = _file_name(stack, f"worker-{free_port()}")
    file = scale.folder / f"{name}.handled"
    environment = stack.environment(redis, scale, **{handled.VARIABLE: str(file)}, **variables)
    with running(stack.worker, scale.folder, name, environment, core=core) as process:
        yield Worker(process, file, scale.folder / f"{name}.log")


def _file_name(stack: Stack, part: str) -> str:
    return f"{''.join(each if each.isalnum() else '-' for each in stack.name)}-{part}"
