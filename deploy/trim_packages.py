"""Make the packages of the image small: `trim_packages.py SITE_PACKAGES`.

A program of the image's build. It names what it leaves out, with the reason.
"""

from __future__ import annotations

import compileall
import shutil
import subprocess
import sys
from pathlib import Path

UNUSED = {
    "phonenumbers/geodata": "names of places, 36 MB: only `phonenumbers.geocoder` reads them",
    "phonenumbers/carrierdata": "names of carriers: only `phonenumbers.carrier` reads them",
    "certifi/tests": "tests",
}
"""Folders that neither Ringback nor its packages read, with the reason."""
UNUSED_SUFFIXES = {".po": "sources of translations", ".pyi": "types: nobody checks types in the image"}
WITHOUT_SOURCE = ("phonenumbers", "pygments", "telnyx")
"""Packages whose bytecode alone stays, without docstrings: less than half of their size."""


def main(site_packages: Path) -> None:
    """Trim the packages in a folder. Refuse a package that has changed, so that this list stays true.

    Raises:
        SystemExit: a folder that should go is not there, or a package is no valid Python.
    """
    for folder in UNUSED:
        if not (site_packages / folder).is_dir():
            raise SystemExit(
                f"{folder} is not there any more: look whether the list in deploy/trim_packages.py is true"
            )
        shutil.rmtree(site_packages / folder)
    for suffix in UNUSED_SUFFIXES:
        for file in site_packages.rglob(f"*{suffix}"):
            file.unlink()
    for package in WITHOUT_SOURCE:
        leave_bytecode(site_packages / package)
    strip_libraries(site_packages)


def leave_bytecode(package: Path) -> None:
    """Compile a package to bytecode beside its sources, then remove the sources.

    Raises:
        SystemExit: a file is no valid Python.
    """
    if not compileall.compile_dir(package, quiet=1, legacy=True, optimize=2, workers=0):
        raise SystemExit(f"{package} cannot be compiled")
    for cache in list(package.rglob("__pycache__")):
        shutil.rmtree(cache)
    for source in package.rglob("*.py"):
        source.unlink()


def strip_libraries(site_packages: Path) -> None:
    """Remove the symbols for debuggers from compiled modules. uvloop alone has 14 MB of them."""
    libraries = sorted(str(file) for file in site_packages.rglob("*.so*") if not file.is_symlink())
    subprocess.run(["strip", "--strip-unneeded", *libraries], check=True)  # noqa: S607 - of the build's own PATH


if __name__ == "__main__":
    main(Path(sys.argv[1]))
