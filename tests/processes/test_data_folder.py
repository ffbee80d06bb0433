import os
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from redis import Redis

from service.processes import data_folder, embedded_server
from service.processes.data_folder import FolderInUse, ServerFailed
from tests.processes.children import kill


@pytest.fixture
def long_path(tmp_path: Path) -> Path:
    return tmp_path.joinpath(*["a-folder-with-a-long-name"] * 4)


def outside(data: Path) -> Path:
    """The socket that a folder records."""
    return Path((data / "socket").read_text())


def test_a_second_server_on_the_folder_is_refused(tmp_path: Path) -> None:
    with embedded_server.start(tmp_path) as first:
        with pytest.raises(FolderInUse, match=r"is in use by another Ringback: stop that one, or set RINGBACK_DATA"):
            embedded_server.start(tmp_path)
        assert first.process.poll() is None
        assert data_folder.running_url(tmp_path) == first.url


def test_another_name_of_the_folder_is_no_way_around_the_lock(tmp_path: Path) -> None:
    (tmp_path / "alias").symlink_to(tmp_path / "data")
    with embedded_server.start(tmp_path / "data") as server:
        with pytest.raises(FolderInUse):
            embedded_server.start(tmp_path / "alias")
        assert data_folder.running_url(tmp_path / "alias") == server.url


def test_one_may_wait_for_the_folder(tmp_path: Path) -> None:
    first = data_folder.claim(tmp_path)
    with ThreadPoolExecutor() as threads:
        second = threads.submit(data_folder.claim, tmp_path, wait=20)
        assert not second.done()
        first.release()
        second.result().release()


def test_waiting_for_the_folder_has_an_end(tmp_path: Path) -> None:
    first = data_folder.claim(tmp_path)
    with pytest.raises(FolderInUse):
        data_folder.claim(tmp_path, wait=0.1)
    first.release()


def test_a_long_path_puts_the_socket_into_a_private_temporary_folder(long_path: Path) -> None:
    with (
        embedded_server.start(long_path) as server,
        closing(Redis.from_url(data_folder.running_url(long_path))) as redis,
    ):
        socket = outside(long_path)
        assert redis.ping()
        assert data_folder.running_url(long_path) == server.url == f"unix://{socket}"
        assert len(os.fsencode(socket)) <= 100
        assert socket.parent.stat().st_mode & 0o777 == 0o700
    assert not socket.parent.exists()
    assert not (long_path / "socket").exists()


def test_a_socket_outside_stays_where_it_is_after_a_crash(long_path: Path) -> None:
    program = embedded_server.find_server()
    folder = data_folder.claim(long_path)
    folder.lock.close()  # as when its holder is killed
    with embedded_server.start(long_path) as server:
        assert server.folder.socket == folder.socket
        assert str(folder.socket) in embedded_server.command(program, server.folder)
        kill(server.process.pid)
        server.process.wait()
    assert not folder.socket.parent.exists()


def test_a_record_from_when_the_path_was_longer_is_cleaned_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data_folder, "LONGEST_SOCKET", len(os.fsencode(tmp_path / "valkey.sock")))
    left = Path(tempfile.mkdtemp(prefix="ringback-"))
    (tmp_path / "socket").write_text(str(left / "valkey.sock"))
    folder = data_folder.claim(tmp_path)
    assert folder.socket == folder.data / "valkey.sock"
    assert not left.exists()
    assert not (tmp_path / "socket").exists()
    folder.release()


@pytest.mark.parametrize(
    "record",
    [
        pytest.param("{public}/valkey.sock", id="a folder that others can enter"),
        pytest.param("{private}/precious", id="another file"),
        pytest.param("{missing}/valkey.sock", id="a folder that is gone"),
        pytest.param("\0", id="no path"),
        pytest.param("", id="empty"),
    ],
)
def test_a_record_that_is_not_ours_is_not_followed(long_path: Path, tmp_path: Path, record: str) -> None:
    folders = {name: tmp_path / name for name in ("public", "private", "missing")}
    for name, mode in {"public": 0o755, "private": 0o700}.items():
        folders[name].mkdir(mode=mode)
        for file in ("valkey.sock", "precious"):
            (folders[name] / file).touch()
    long_path.mkdir(parents=True)
    (long_path / "socket").write_text(record.format(**folders))
    with embedded_server.start(long_path) as server:
        assert server.folder.socket.parent not in folders.values()
    assert len(list(folders["public"].iterdir())) == len(list(folders["private"].iterdir())) == 2


def test_a_temporary_folder_with_a_long_path_too_is_refused(long_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    long_path.mkdir(parents=True)
    monkeypatch.setattr(tempfile, "tempdir", str(long_path))
    with pytest.raises(ServerFailed, match="too long for a socket: set RINGBACK_DATA or TMPDIR to a shorter path"):
        embedded_server.start(long_path)
    assert {path.name for path in long_path.iterdir()} == {"lock"}
