"""The copy of docs/backup.md, run as the page has it."""

import os
import re
import subprocess
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[2] / "docs" / "backup.md").read_text()
COPY = re.search(r"```sh\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize(("failures", "copies"), [(0, 1), (1, 1), (9, 0)])
def test_a_copy_that_fails_is_made_again_and_never_left_half_made(tmp_path: Path, failures: int, copies: int) -> None:
    """`cp` fails so often, after it has copied the first file, as where the server rewrites its files meanwhile."""
    assert COPY is not None
    (tmp_path / "data" / "appendonlydir").mkdir(parents=True)
    for name in ("a.manifest", "b.aof"):
        (tmp_path / "data" / "appendonlydir" / name).write_text(name)
    real = subprocess.run(["/bin/sh", "-c", "command -v cp"], capture_output=True, text=True, check=True).stdout.strip()
    fake = tmp_path / "bin" / "cp"
    fake.parent.mkdir()
    left = f'[ "$(wc -l < left)" -ge {failures} ] && exec {real} "$@"'
    fake.write_text(f'#!/bin/sh\n{left}\necho >> left\nmkdir "$3"\n{real} "$2"/a.manifest "$3"\nexit 1\n')
    fake.chmod(0o755)
    (tmp_path / "left").write_text("")
    environment = {"PATH": f"{fake.parent}:{os.environ['PATH']}"}
    subprocess.run(["/bin/sh", "-c", COPY[1]], cwd=tmp_path, env=environment, check=False)
    found = list(tmp_path.glob("backup-*"))
    assert [sorted(each.name for each in copy.iterdir()) for copy in found] == [["a.manifest", "b.aof"]] * copies
