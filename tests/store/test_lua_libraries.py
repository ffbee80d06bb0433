"""Each script requires the libraries whose functions and constants it uses, and no others."""

import re
from pathlib import Path

import pytest

from service.store import scripts

LUA = Path(scripts.__file__).parent / "lua"
LIBRARIES = sorted(file for file in (LUA / "lib").iterdir() if file.stem != "start")
FILES = [*sorted(LUA.glob("*.lua")), *LIBRARIES]
_DEFINED = re.compile(r"^local (?:function )?(\w+(?:, \w+)*)", re.MULTILINE)
_USED = re.compile(r"(?<![.:\w])(?:\w+(?=\()|(?<=pcall\()\w+|[A-Z][A-Z_]+\b)")


def code(file: Path) -> str:
    """Return a file's text without comments and the contents of strings."""
    return re.sub(r"--.*", "", re.sub(r"'[^'\n]*'", "''", file.read_text()))


def defined(file: Path) -> set[str]:
    """Return the names that a file defines for those that stand below it."""
    return {name for names in _DEFINED.findall(code(file)) for name in names.split(", ")}


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(LUA)))
def test_a_script_requires_what_it_uses_and_nothing_else(file: Path) -> None:
    said = re.findall(r"^-- requires: (.+)$", file.read_text(), re.MULTILINE)
    used = set(_USED.findall(code(file))) - defined(file)
    wanted = sorted(each.stem for each in LIBRARIES if each != file and used & defined(each))
    assert said == ([" ".join(wanted)] if wanted else [])


def test_no_two_libraries_define_the_same_name() -> None:
    names = [name for file in LIBRARIES for name in defined(file)]
    assert len(names) == len(set(names))


def test_a_library_stands_once_in_a_script_and_below_what_it_requires() -> None:
    text = scripts.script("claim").text
    heads = [text.index(f"-- {name}") for name in ("start:", "handlers:", "changes:", "settle(", "lease:", "claim:")]
    assert text.count("local function settle(") == 1
    assert heads[0] < heads[1] < heads[3] < heads[5]
    assert heads[2] < heads[3]
    assert heads[4] < heads[5]


def test_every_script_takes_the_namespace_from_the_key_that_it_is_called_with() -> None:
    assert all("local ns = KEYS[1]" in scripts.script(file.stem).text for file in LUA.glob("*.lua"))


def test_libraries_that_require_each_other_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "one.lua").write_text("-- requires: two\n")
    (tmp_path / "two.lua").write_text("-- requires: one\n")
    monkeypatch.setattr(scripts, "_LIBRARIES", tmp_path)
    with pytest.raises(ValueError, match=r"lua/lib requires itself: one\.lua -> two\.lua -> one\.lua"):
        list(scripts._required(tmp_path / "one.lua"))
