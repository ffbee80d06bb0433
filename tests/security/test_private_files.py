"""Files that hold keys: who beside their owner may read or write them."""

from pathlib import Path

import pytest

from service.security.private_files import Exposed, group_access, require_private


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


@pytest.mark.parametrize(
    ("mode", "secret", "told"),
    [(0o602, False, "can write to it"), (0o604, True, "can read this key"), (0o604, False, None), (0o640, True, None)],
)
def test_what_everybody_can_do_is_refused(tmp_path: Path, mode: int, told: str | None, *, secret: bool) -> None:
    file = tmp_path / "key"
    require_private(file, secret=secret)
    file.touch()
    file.chmod(mode)
    if told is None:
        require_private(file, secret=secret)
        return
    with pytest.raises(Exposed, match=told):
        require_private(file, secret=secret)
