"""What stands in the working directory runs only where HANDLERS names it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from service.worker.load_router import CannotLoadHandlers, load_router
from tests.processes.running import RINGBACK, clean_environment, ringback

ROOT = Path(__file__).parents[2]
TRAP = "from pathlib import Path\nPath('it-ran').touch()\n"
ROUTER = "from service import Router\nrouter = Router()\n"


@pytest.fixture(autouse=True)
def _own_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))


@pytest.mark.slow
@pytest.mark.parametrize("module", ["phonenumbers", "httpx", "pydantic_core", "tomllib", "telnyx", "segno"])
def test_no_module_of_the_working_directory_stands_in_for_an_installed_one(tmp_path: Path, module: str) -> None:
    (tmp_path / f"{module}.py").write_text(TRAP)
    script = Path(sys.executable).parent / "ringback"
    command = [sys.executable, str(script)] if script.exists() else [sys.executable, "-P", "-m", "service.cli"]
    environment = clean_environment(REDIS_URL="redis://127.0.0.1:1", PYTHONPATH=str(ROOT))
    ended = subprocess.run(
        [*command, "pause", "consent"], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert "127.0.0.1:1" in ended.stderr
    assert not (tmp_path / "it-ran").exists()


@pytest.mark.slow
def test_python_m_takes_what_is_imported_late_from_elsewhere_too(tmp_path: Path) -> None:
    (tmp_path / "phonenumbers.py").write_text(TRAP)
    ended = subprocess.run(
        [*RINGBACK, "pause", "consent"],
        cwd=tmp_path,
        env=clean_environment(REDIS_URL="redis://127.0.0.1:1"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert "127.0.0.1:1" in ended.stderr
    assert not (tmp_path / "it-ran").exists()


@pytest.mark.parametrize("name", ["handlers", "service"])
@pytest.mark.parametrize("shape", ["{}.py", "{}/__init__.py", "{}/replies.py"])
@pytest.mark.parametrize("handlers", ["handlers:router", "my_handlers:router"])
def test_a_module_that_bears_our_name_is_refused_with_the_way_out(
    tmp_path: Path, name: str, shape: str, handlers: str
) -> None:
    (tmp_path / "my_handlers.py").write_text(ROUTER)
    place = tmp_path / shape.format(name)
    place.parent.mkdir(exist_ok=True)
    place.write_text(ROUTER)
    with pytest.raises(CannotLoadHandlers, match=rf"{name}.* rename it, such as to my_{name}, and set HANDLERS="):
        load_router(handlers)


def test_a_folder_without_python_that_bears_our_name_harms_nothing(tmp_path: Path) -> None:
    (tmp_path / "service").mkdir()
    (tmp_path / "service" / "ringback.service").touch()
    assert "consent" in load_router("handlers:router").subscriptions


def test_handlers_named_as_an_installed_module_are_refused(tmp_path: Path) -> None:
    (tmp_path / "colorsys.py").write_text(ROUTER)
    with pytest.raises(CannotLoadHandlers, match=r"colorsys.py is not what was loaded.* HANDLERS=my_colorsys:router"):
        load_router("colorsys:router")


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [["worker"], ["events", "replay", "--only", "consent", "an-id"]])
def test_a_command_ends_with_2(tmp_path: Path, arguments: list[str]) -> None:
    (tmp_path / "handlers.py").write_text(ROUTER)
    ended = ringback(*arguments, cwd=tmp_path, TELNYX_API_KEY="KEY", REDIS_URL="redis://127.0.0.1:1")
    assert ended.returncode == 2, ended.stderr
    assert "rename it" in ended.stderr


def test_handlers_of_the_working_directory_are_found(tmp_path: Path) -> None:
    name = f"own_{os.getpid()}"
    (tmp_path / f"{name}.py").write_text(ROUTER)
    assert load_router(f"{name}:router").subscriptions == {}
    assert sys.path[-1] == str(Path.cwd())


def test_in_the_image_the_working_directory_belongs_to_root() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    assert "install -d -o root -g root -m 755 /app" in dockerfile
    assert "install -d -o ringback -g ringback -m 700 /data" in dockerfile
    assert "--home-dir /app" not in dockerfile
