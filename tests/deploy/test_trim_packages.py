"""The image's packages are made small: what goes is named, and a list that is no longer true stops the build."""

import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TRIM = runpy.run_path(str(ROOT / "deploy" / "trim_packages.py"))


def packages(folder: Path) -> Path:
    """A site-packages folder with everything that goes, and a package whose sources go."""
    for unused in TRIM["UNUSED"]:
        (folder / unused).mkdir(parents=True)
        (folder / unused / "data.py").write_text("DATA = 1\n")
    (folder / "phonenumbers" / "__init__.py").write_text("")
    (folder / "phonenumbers" / "types.pyi").write_text("")
    (folder / "pygments").mkdir()
    telnyx = folder / "telnyx" / "types"
    telnyx.mkdir(parents=True)
    (telnyx / "__init__.py").write_text('"""Long words."""\nVALUE = 7\n')
    (folder / "telnyx" / "__init__.py").write_text("")
    return folder


def test_bytecode_alone_is_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stripped: list[Path] = []
    monkeypatch.setitem(TRIM["main"].__globals__, "strip_libraries", stripped.append)
    TRIM["main"](packages(tmp_path))
    assert sorted(each.suffix for each in (tmp_path / "telnyx").rglob("*") if each.is_file()) == [".pyc", ".pyc"]
    assert not [each for each in TRIM["UNUSED"] if (tmp_path / each).exists()]
    assert not list(tmp_path.rglob("*.pyi"))
    code = "import telnyx.types; print(telnyx.types.VALUE, telnyx.types.__doc__)"
    ran = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert ran.stdout == "7 None\n"
    assert stripped == [tmp_path]


def test_a_list_that_is_no_longer_true_stops_the_build(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="phonenumbers/geodata is not there any more"):
        TRIM["main"](tmp_path)


def test_what_goes_is_not_what_ringback_reads() -> None:
    sources = "".join(file.read_text() for folder in ("service", "handlers") for file in (ROOT / folder).rglob("*.py"))
    assert re.findall(r"\bphonenumbers(?:\.| import [\w, ]*)\b(?:geocoder|carrier)\b", sources) == []
