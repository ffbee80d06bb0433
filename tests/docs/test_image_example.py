"""examples/image: the page shows it, and its handlers load from the folder that its Dockerfile makes."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

from tests.documented import block_with
from tests.processes.running import clean_environment

EXAMPLE = Path(__file__).parents[2] / "examples" / "image"
DOCKERFILE = (EXAMPLE / "Dockerfile").read_text()
LOADED = (
    "import sys; from service.worker.load_router import load_router; print(*load_router(sys.argv[1]).subscriptions)"
)


def test_the_page_shows_the_dockerfile() -> None:
    assert block_with("deploy.md", "dockerfile", "--target") == DOCKERFILE


def test_packages_and_handlers_lie_side_by_side_in_app(tmp_path: Path) -> None:
    # A test installs nothing. So the package is one of that name, where `pip install --target` would put it.
    [package] = [re.split(r"[<>=]", line)[0] for line in (EXAMPLE / "requirements.txt").read_text().split()]
    (tmp_path / package).mkdir()
    (tmp_path / package / "__init__.py").touch()
    for name in re.findall(r"^COPY (?!--from)(\S+) /app/$", DOCKERFILE, re.MULTILINE):
        shutil.copy(EXAMPLE / name, tmp_path)
    [handlers] = re.findall(r"^ENV HANDLERS=(\S+)$", DOCKERFILE, re.MULTILINE)
    command = [sys.executable, "-c", LOADED, handlers]
    loaded = subprocess.run(
        command, cwd=tmp_path, env=clean_environment(), capture_output=True, text=True, check=False, timeout=60
    )
    assert (loaded.returncode, "opening_time" in loaded.stdout.split()) == (0, True), loaded.stderr
