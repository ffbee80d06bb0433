"""Whether the files of a folder outlive a container, by tables of mounts as Docker, Podman and Kubernetes show them."""

from pathlib import Path

import pytest

from service.processes import mounts
from service.processes.mounts import mount_of, volatile_storage

NAMELESS = "a" * 64
ROOT = "900 880 0:70 / / rw,relatime master:1 - overlay overlay rw,lowerdir=/x,upperdir=/y\n"
PLAIN_ROOT = "900 880 8:1 /graph/vfs/dir/abc / ro,relatime - ext4 /dev/sda1 rw\n"
TMPFS = "901 900 0:71 / /tmp rw,nosuid - tmpfs tmpfs rw\n"
VOLUME = "902 900 8:1 /var/lib/docker/volumes/ringback-data/_data /data rw,relatime master:3 - ext4 /dev/sda1 rw\n"
ANONYMOUS = f"902 900 8:1 /var/lib/docker/volumes/{NAMELESS}/_data /data rw - ext4 /dev/sda1 rw\n"
BIND = "902 900 8:1 /srv/my\\040data /data rw - xfs /dev/sdb1 rw\n"


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A table of mounts, in a container."""
    path, mark = tmp_path / "mountinfo", tmp_path / "mark"
    mark.touch()
    monkeypatch.setattr(mounts, "_TABLE", path)
    monkeypatch.setattr(mounts, "_MARKS", (mark,))
    return path


@pytest.mark.parametrize(
    ("lines", "folder", "told"),
    [
        (ROOT, "/data", "writable layer"),
        (PLAIN_ROOT, "/data", "writable layer"),
        (ROOT + TMPFS, "/tmp/data", "in memory (tmpfs)"),
        (ROOT + ANONYMOUS, "/data", "a volume without a name"),
        (ROOT + VOLUME, "/data", None),
        (ROOT + VOLUME, "/data/below", None),
        (ROOT + VOLUME, "/database", "writable layer"),
        (ROOT + BIND, "/data", None),
        (ROOT + ANONYMOUS + BIND, "/data", None),
    ],
)
def test_files_that_do_not_last_are_told_of(table: Path, lines: str, folder: str, told: str | None) -> None:
    table.write_text(lines)
    found = volatile_storage(Path(folder))
    assert (found is None) if told is None else (found is not None and told in found)


def test_outside_a_container_a_root_file_system_lasts(table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table.write_text(PLAIN_ROOT)
    monkeypatch.setattr(mounts, "_MARKS", ())
    assert volatile_storage(Path("/data")) is None


def test_a_system_without_a_table_is_not_judged(table: Path) -> None:
    assert mount_of(Path("/data")) is None
    assert volatile_storage(Path("/data")) is None
