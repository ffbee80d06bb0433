"""The image, as far as its Dockerfile shows without being built."""

import re
import tomllib
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def test_the_label_has_the_version_of_the_project() -> None:
    [version] = re.findall(r"^ARG VERSION=(\S+)", DOCKERFILE, re.MULTILINE)
    assert version == PROJECT["project"]["version"]
    labels = set(re.findall(r"org\.opencontainers\.image\.([a-z.]+)=", DOCKERFILE))
    assert labels == {"title", "description", "version", "revision", "created", "licenses", "base.name"}


def test_both_stages_have_the_base_that_a_build_can_give_by_digest() -> None:
    assert re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE) == ["$BASE", "$BASE"]
    assert re.search(r"^ARG BASE=docker\.io/library/python:3\.13-slim$", DOCKERFILE, re.MULTILINE)


def test_only_hashed_packages_are_installed() -> None:
    installs = re.findall(r"pip .*?install (.*)", DOCKERFILE)
    assert installs
    assert all("--require-hashes" in each or "--no-index" in each for each in installs)


def test_the_build_gets_every_file_that_it_copies_and_no_test() -> None:
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = re.findall(r"^COPY (?!--from)(.*) \S+$", DOCKERFILE, re.MULTILINE)
    assert {each for line in copied for each in line.split()} == allowed
    assert not any("test" in Path(each).parts for each in allowed)


def test_the_pins_cover_what_the_project_asks_for() -> None:
    pinned = {
        re.split(r"[=\[ ]", line)[0].lower().replace("_", "-")
        for line in (ROOT / "deploy" / "constraints.txt").read_text().splitlines()
        if re.match(r"[a-zA-Z0-9_.-]+(\[.*\])?==", line)
    }
    hook = PROJECT["tool"]["hatch"]["metadata"]["hooks"]["custom"]
    wanted = [*hook["everywhere"], hook["embedded-server"], *PROJECT["project"]["optional-dependencies"]["notify"]]
    assert {Requirement(each).name.lower().replace("_", "-") for each in wanted} - pinned == set()


def test_the_build_pins_cover_the_build_requirements() -> None:
    pins = (ROOT / "deploy" / "build-constraints.txt").read_text()
    for line in (ROOT / "deploy" / "build-requirements.in").read_text().split():
        assert re.search(rf"^{re.escape(Requirement(line).name)}==", pins, re.MULTILINE)
    assert "://" not in pins


def test_nothing_writes_bytecode_and_the_user_is_not_root() -> None:
    assert "PYTHONDONTWRITEBYTECODE=1" in DOCKERFILE
    assert re.findall(r"^USER (\S+)", DOCKERFILE, re.MULTILINE) == ["10001:10001"]
    assert 'ENTRYPOINT ["ringback"]' in DOCKERFILE
