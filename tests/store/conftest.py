from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.store.server_pair import Pair, opened_pair


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    """A primary and its replica that only this test uses."""
    with opened_pair(tmp_path) as opened:
        yield opened
