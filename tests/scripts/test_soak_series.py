"""`scripts/soak`: each series that CONTRIBUTING.md names has a command that starts, and no other is taken."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OF_PYTEST = {"tests", "crashes", "failovers", "order", "fuzz"}
OTHERS = {"mutants", "chaos", "trouble"}


def soak(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([ROOT / "scripts" / "soak", *arguments], capture_output=True, text=True, check=False)


def test_the_series_are_those_that_the_contributors_page_names() -> None:
    [named] = re.findall(r"`scripts/soak SERIES` \| [^|:]*: ([^|]*) \|", (ROOT / "CONTRIBUTING.md").read_text())
    answer = soak("another")
    assert answer.returncode == 2
    assert set(answer.stderr.split()[2].split("|")) == set(named.split(", ")) == OF_PYTEST | OTHERS


@pytest.mark.slow
@pytest.mark.parametrize("series", sorted(OF_PYTEST - {"tests"}))
def test_a_series_of_tests_finds_its_tests(series: str) -> None:
    answer = soak(series, "--collect-only")
    assert answer.returncode == 0, answer.stderr
    assert "tests/" in answer.stdout


@pytest.mark.slow
@pytest.mark.parametrize("series", sorted(OTHERS))
def test_a_series_of_its_own_command_starts(series: str) -> None:
    answer = soak(series, "--help")
    assert answer.returncode == 0, answer.stderr
