"""Files that hold keys: who beside their owner may read or write them."""

from pathlib import Path

import pytest

from service.security.private_files import group_access


@pytest.mark.parametrize(
    ("mode", "secret", "advice"),
    [
        (0o600, True, None),
        (0o640, True, "chmod 600"),
        (0o640, False, None),
        (0o620, False, "chmod g-w"),
        (0o660, True, "chmod g-w"),
    ],
)
def test_what_a_group_can_do_is_said(tmp_path: Path, mode: int, secret: bool, advice: str | None) -> None:  # noqa: FBT001
    file = tmp_path / "key"
    file.touch()
    file.chmod(mode)
    told = group_access(file, secret=secret)
    assert told is None if advice is None else advice in (told or "")
