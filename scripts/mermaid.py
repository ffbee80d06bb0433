"""Mermaid, which draws the diagrams of the documentation's site. `python -m scripts.mermaid` fetches it from npm once.

Zensical lets each reader load it from another host. The site brings its own copy, so that it needs no network.
"""

import hashlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
VERSION = "12.3.0"
SHA256 = "336df803d87a38b70a01e736e666c8f7601d2ce42f5e47c8fafe5d721074b9a3"
COPY = ROOT / "node_modules" / f"mermaid-{VERSION}.min.js"
"""No part of the repository. A new version needs its digest above."""


def library() -> bytes:
    """Return the library, from the copy or from npm.

    Raises:
        SystemExit: there is neither a copy nor npm, or npm has other bytes.
    """
    found = COPY.read_bytes() if COPY.exists() else _from_npm()
    if hashlib.sha256(found).hexdigest() != SHA256:
        raise SystemExit(f"mermaid {VERSION} is another file than expected: remove {COPY}, or correct SHA256")
    COPY.parent.mkdir(exist_ok=True)
    COPY.write_bytes(found)
    return found


def _from_npm() -> bytes:
    npm = shutil.which("npm")
    if npm is None:
        raise SystemExit("the diagrams of the site need npm, to fetch mermaid once: install Node")
    with tempfile.TemporaryDirectory() as folder:
        command = [npm, "pack", "--silent", f"mermaid@{VERSION}"]
        subprocess.run(command, cwd=folder, stdout=subprocess.DEVNULL, check=True)
        with tarfile.open(next(Path(folder).glob("*.tgz"))) as packed:
            member = packed.extractfile("package/dist/mermaid.min.js")
            return member.read() if member is not None else b""


if __name__ == "__main__":
    library()
    sys.exit(0)
