"""Make the commit and the tag of a release, or print its notes.

Usage: `make_release.py VERSION [--date YYYY-MM-DD]` or `make_release.py --notes VERSION`. It pushes nothing. It changes
nothing unless every check passes.
"""

import argparse
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple


class Place(NamedTuple):
    """A file that names the version, as the group `version` of a pattern, and how often."""

    file: str
    pattern: str
    times: int = 1


VERSION = r"(?P<version>\d+\.\d+\.\d+)"
PLACES = (
    Place("pyproject.toml", rf'^version = "{VERSION}"$'),
    Place("Dockerfile", rf"^ARG VERSION={VERSION} "),
    Place("deploy/compose.yaml", rf":-ringback:{VERSION}\}}$"),
    Place("deploy/helm/ringback/Chart.yaml", rf"^(?:version|appVersion): {VERSION}$", 2),
    Place("deploy/helm/ringback/Chart.yaml", rf"image: ringback:{VERSION}$"),
    Place("deploy/helm/ringback/values.yaml", rf"-t ringback:{VERSION} "),
    Place("docs/deploy.md", rf"\bringback:{VERSION}\b", 4),
    Place("service/cli/run/new_files/compose.yaml.jinja", rf"\bringback:{VERSION}\b", 2),
    Place("examples/image/README.md", rf"\bringback:{VERSION}\b"),
    Place("examples/image/Dockerfile", rf"^FROM ringback:{VERSION}$"),
)
HEADING = r"^## {} - (?P<date>\S+)$"


class Refused(Exception):
    """The release cannot be made. The text says why, and what to do."""


def main(arguments: list[str]) -> int:
    """Carry out the command. Return its exit code: 0 done, 1 refused."""
    parser = argparse.ArgumentParser(prog="scripts/release")
    parser.add_argument("version", type=_version)
    parser.add_argument("--date", default=datetime.now(UTC).date().isoformat(), type=_date)
    parser.add_argument("--notes", action="store_true", help="print the section of the changelog")
    given = parser.parse_args(arguments)
    root = Path.cwd()
    try:
        if given.notes:
            print(section(root, given.version))
        else:
            release(root, given.version, given.date)
    except Refused as refused:
        print(refused, file=sys.stderr)
        return 1
    return 0


def release(root: Path, version: str, date: str) -> None:
    """Close the changelog's section, set the version in every place, commit, and tag.

    Raises:
        Refused: nothing was changed.
    """
    _check_repository(root, version)
    changed = _with_version(root, version)
    changed["CHANGELOG.md"] = _closed_changelog(root, version, date)
    for file, text in changed.items():
        (root / file).write_text(text)
    _git(root, "commit", "--quiet", "--message", f"Release {version}", "--", *changed)
    # Git would drop headings as comments.
    _git(root, "tag", "--annotate", f"v{version}", "--cleanup=verbatim", "--message", section(root, version))
    print(f"v{version} is tagged. To publish it: git push origin HEAD v{version}")


def section(root: Path, version: str) -> str:
    """Return the text of the changelog's section on a version.

    Raises:
        Refused: there is none, or it is empty.
    """
    text = (root / "CHANGELOG.md").read_text()
    found = re.search(HEADING.format(re.escape(version)), text, re.MULTILINE)
    if found is None:
        raise Refused(f"CHANGELOG.md has no section on {version}. Write one: ## {version} - unreleased")
    body = re.split(r"^## ", text[found.end() :], maxsplit=1, flags=re.MULTILINE)[0].strip()
    if not body:
        raise Refused(f"The section on {version} in CHANGELOG.md is empty. Say what is new")
    return body


def _check_repository(root: Path, version: str) -> None:
    if _git(root, "status", "--porcelain", "--untracked-files=no"):
        raise Refused("There are changes that are not committed. Commit them first")
    tags = [each.removeprefix("v") for each in _git(root, "tag", "--list", "v*.*.*").split()]
    newest = max((tag for tag in tags if re.fullmatch(VERSION, tag)), key=_numbers, default=None)
    if newest is not None and _numbers(version) <= _numbers(newest):
        raise Refused(f"v{newest} is released already. Choose a later version than that")
    if f"{version} is not released yet" in (root / "README.md").read_text():
        raise Refused(f"README.md says that {version} is not released yet. Change its status first")


def _closed_changelog(root: Path, version: str, date: str) -> str:
    section(root, version)
    text = (root / "CHANGELOG.md").read_text()
    closed, count = re.subn(
        HEADING.format(re.escape(version)).replace(r"(?P<date>\S+)", "unreleased"),
        f"## {version} - {date}",
        text,
        flags=re.MULTILINE,
    )
    if count != 1:
        raise Refused(
            f"The section on {version} in CHANGELOG.md is closed already. Its heading must end in `unreleased`"
        )
    return closed


def _with_version(root: Path, version: str) -> dict[str, str]:
    """Return the new texts of the files that name the version."""
    texts: dict[str, str] = {}
    for place in PLACES:
        text = texts.get(place.file) or (root / place.file).read_text()
        texts[place.file], count = re.subn(
            place.pattern, lambda found: _replaced(found, version), text, flags=re.MULTILINE
        )
        if count != place.times:
            raise Refused(f"{place.file} names the version {count} times, not {place.times}: correct PLACES")
    return texts


def _replaced(found: re.Match[str], version: str) -> str:
    start, end = (each - found.start() for each in found.span("version"))
    return f"{found[0][:start]}{version}{found[0][end:]}"


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def _version(text: str) -> str:
    if re.fullmatch(r"(0|[1-9]\d*)(\.(0|[1-9]\d*)){2}", text) is None:
        raise argparse.ArgumentTypeError("a version has three numbers, such as 0.1.0")
    return text


def _date(text: str) -> str:
    return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC).date().isoformat()


def _git(root: Path, *arguments: str) -> str:
    """Return the output of a Git command.

    Raises:
        Refused: Git refuses. The text is its own.
    """
    ran = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=False)  # noqa: S607 - whichever git is there
    if ran.returncode:
        raise Refused(f"git {arguments[0]}: {ran.stderr.strip()}")
    return ran.stdout


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
