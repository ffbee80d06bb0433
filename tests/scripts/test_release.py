"""scripts/release, in a repository of its own: the commit, the tag, and what it refuses."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from scripts.make_release import PLACES

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "scripts" / "make_release.py"
CHANGELOG = (
    "# Changelog\n\n## 7.8.9 - unreleased\n\n### Receive\n\n- Something new.\n\n## 0.1.0 - 2026-01-01\n\nThe first.\n"
)


def git(root: Path, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=True).stdout


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """The files of this project that name the version, committed."""
    for name in {place.file for place in PLACES} | {"README.md"}:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text((ROOT / name).read_text())
    (tmp_path / "CHANGELOG.md").write_text(CHANGELOG)
    git(tmp_path, "init", "--quiet", "--initial-branch=main")
    for name, value in {"user.name": "Tester", "user.email": "tester@example.com", "commit.gpgsign": "false"}.items():
        git(tmp_path, "config", name, value)
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "--message", "Begin")
    return tmp_path


def release(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, SCRIPT, *arguments], cwd=root, capture_output=True, text=True, check=False)


def test_a_release_is_a_commit_and_a_tag_with_the_section_of_the_changelog(repository: Path) -> None:
    ran = release(repository, "7.8.9", "--date", "2026-12-01")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "git push origin HEAD v7.8.9" in ran.stdout
    assert git(repository, "log", "--format=%s").splitlines() == ["Release 7.8.9", "Begin"]
    assert git(repository, "status", "--porcelain") == ""
    assert git(repository, "rev-parse", "v7.8.9^{commit}") == git(repository, "rev-parse", "HEAD")
    notes = "### Receive\n\n- Something new."
    assert git(repository, "tag", "--list", "--format=%(contents)", "v7.8.9").strip() == notes
    assert release(repository, "--notes", "7.8.9").stdout.strip() == notes
    assert "## 7.8.9 - 2026-12-01\n" in (repository / "CHANGELOG.md").read_text()
    for place in PLACES:
        text = (repository / place.file).read_text()
        found = [each["version"] for each in re.finditer(place.pattern, text, re.MULTILINE)]
        assert found == ["7.8.9"] * place.times, place
        assert text.replace("7.8.9", "0.1.0") == (ROOT / place.file).read_text().replace(current(), "0.1.0")


def current() -> str:
    return str(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"])


@pytest.mark.parametrize(
    ("version", "told"),
    [
        ("7.8", "three numbers"),
        ("v7.8.9", "three numbers"),
        ("7.8.10", "no section on 7.8.10"),
        ("0.1.0", "closed already"),
    ],
)
def test_a_version_that_cannot_be_released_changes_nothing(repository: Path, version: str, told: str) -> None:
    (repository / "README.md").write_text("Released.\n")
    git(repository, "commit", "--quiet", "--all", "--message", "Status")
    before = git(repository, "rev-parse", "HEAD")
    ran = release(repository, version)
    assert (ran.returncode, told in ran.stderr) == (2 if "numbers" in told else 1, True), ran.stderr
    assert (git(repository, "rev-parse", "HEAD"), git(repository, "status", "--porcelain")) == (before, "")
    assert git(repository, "tag") == ""


def test_a_release_needs_a_clean_tree_a_true_readme_and_a_later_version(repository: Path) -> None:
    (repository / "README.md").write_text("7.8.9 is not released yet.\n")
    assert "not committed" in release(repository, "7.8.9").stderr
    git(repository, "commit", "--quiet", "--all", "--message", "Status")
    assert "Change its status first" in release(repository, "7.8.9").stderr
    (repository / "README.md").write_text("Released.\n")
    git(repository, "commit", "--quiet", "--all", "--message", "Status")
    git(repository, "tag", "v7.10.0")
    assert "v7.10.0 is released already" in release(repository, "7.8.9").stderr
    git(repository, "tag", "--delete", "v7.10.0")
    git(repository, "tag", "v7.8.8")
    assert release(repository, "7.8.9").returncode == 0


def test_every_place_has_the_version_of_the_project() -> None:
    for place in PLACES:
        text = (ROOT / place.file).read_text()
        found = [each["version"] for each in re.finditer(place.pattern, text, re.MULTILINE)]
        assert found == [current()] * place.times, place


def test_no_other_file_names_an_image_of_a_version() -> None:
    found = subprocess.run(
        ["git", "grep", "-lE", r"ringback:[0-9]+\.[0-9]+\.[0-9]+", "--", ".", ":!tests"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert set(found.stdout.split()) <= {place.file for place in PLACES}
