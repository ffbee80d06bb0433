"""The packages that Ringback needs on the machine of its installation.

Older Pythons read this file too: pip asks for the dependencies before it compares `requires-python`.
"""

from __future__ import annotations

import platform
import sys
import sysconfig
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from hatchling.metadata.plugin.interface import MetadataHookInterface

OLDEST = (3, 11)


class Dependencies(MetadataHookInterface):
    """A build hook that adds the embedded server's wheel where one exists. No environment marker knows musl."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Fill in `project.dependencies` from the lists beside this hook's name in `pyproject.toml`."""
        refuse_old_python(sys.version_info[:2])
        metadata["dependencies"] = dependencies(self.config, sysconfig.get_platform(), _libc())


class WheelTag(BuildHookInterface):  # type: ignore[type-arg] # older versions of hatchling have no parameter here
    """A build hook that marks a wheel without the embedded server as one for musl.

    The other wheel is for every machine. On Alpine, pip prefers this one, since its tag is more specific.
    """

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 - hatchling's signature
        """Set the tag where this machine has musl."""
        if _libc() == "musl":
            build_data["tag"] = musl_tag(platform.machine())


def musl_tag(machine: str) -> str:
    """Return the tag of a pure wheel for musl 1.1 and newer, on this machine, x86-64 and ARM."""
    machines = sorted({"x86_64", "aarch64", machine})
    return "py3-none-" + ".".join(f"musllinux_1_1_{each}" for each in machines)


def refuse_old_python(version: tuple[int, ...]) -> None:
    """Name the oldest Python that works. pip would name a missing package instead.

    Raises:
        SystemExit: the version is too old.
    """
    if version < OLDEST:
        raise SystemExit(f"Ringback needs Python 3.11 or newer, and this is {version[0]}.{version[1]}")


def dependencies(config: dict[str, Any], target: str, libc: str) -> list[str]:
    """Return the requirements for a target such as `linux-x86_64`, with `musl` or another C library."""
    everywhere: list[str] = list(config["everywhere"])
    if target.startswith("linux") and libc == "musl":
        return everywhere
    return [*everywhere, config["embedded-server"]]


def _libc() -> str:
    triplet = str(sysconfig.get_config_var("HOST_GNU_TYPE") or sysconfig.get_config_var("MULTIARCH") or "")
    return "musl" if "musl" in triplet else "other"
