"""A disk that is full is called full."""

import errno
import subprocess
from pathlib import Path

import pytest

from service.processes import data_folder, embedded_server
from service.processes.disk_space import describe_failed_write
from tests.processes.running import RINGBACK, clean_environment

FULL = Path("/dev/full")


@pytest.mark.slow
@pytest.mark.skipif(not FULL.exists(), reason="only Linux has a device that is always full")
def test_a_command_whose_output_does_not_fit_says_so(tmp_path: Path) -> None:

    with FULL.open("wb") as output:
        ended = subprocess.run(
            [*RINGBACK, "config"],
            cwd=tmp_path,
            env=clean_environment(),
            stdout=output,
            stderr=subprocess.PIPE,
            check=False,
            text=True,
        )
    assert ended.returncode == 1
    assert "the disk is full" in ended.stderr
    assert "fault of Ringback's own" not in ended.stderr


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_data_folder_on_a_full_disk_is_not_blamed_on_rights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, "whatever")

    monkeypatch.setattr(Path, "mkdir", refuse)
    with (
        pytest.raises(data_folder.ServerFailed, match="the disk is full: make room") as failed,
        embedded_server.start(tmp_path),
    ):
        pytest.fail("started")
    assert "RINGBACK_DATA" not in str(failed.value)


def test_other_failures_keep_their_own_words() -> None:
    assert (
        describe_failed_write(PermissionError(errno.EACCES, "Permission denied"), "do x") == "Permission denied: do x"
    )
