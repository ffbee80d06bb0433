"""The pages name files, functions and classes that exist, and their links lead somewhere."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "examples").rglob("*.md")])
LINKS = re.compile(r"\]\((?!https?:)([^()#\s]*)(?:#([^()\s]*))?\)")
NAMED = re.compile(
    r"`((?:service|handlers|tests|scripts|deploy|benchmarks|docs|\.ci)/[\w./*-]*|[\w-]+\.(?:md|toml))(?::([\w.]+))?`"
)


def named() -> list[tuple[str, str]]:
    return sorted({(path, name) for page in PAGES for path, name in NAMED.findall(page.read_text())})


def links() -> list[tuple[Path, str, str]]:
    """Every relative link of a page: the page, the file (empty: the page itself) and the heading (may be empty)."""
    return [(page, file, heading) for page in PAGES for file, heading in LINKS.findall(page.read_text())]


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def defined(path: Path) -> set[str]:
    """The names of a module's functions, classes and constants, and of its classes' methods as `Class.method`."""
    found: set[str] = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        if isinstance(node, ast.ClassDef):
            methods = [each for each in node.body if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)]
            found.update(f"{node.name}.{each.name}" for each in methods)
        if isinstance(node, ast.Assign):
            found.update(each.id for each in node.targets if isinstance(each, ast.Name))
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found.add(node.target.id)
    return found


@pytest.mark.parametrize(("path", "name"), named(), ids=lambda each: each or "file")
def test_what_the_pages_name_exists(path: str, name: str) -> None:
    assert list(ROOT.glob(path.rstrip("/"))) != [], "no such file"
    if name:
        assert name in defined(ROOT / path)


@pytest.mark.parametrize(("page", "file", "heading"), links(), ids=lambda each: getattr(each, "name", each) or "-")
def test_a_link_leads_to_a_file_and_a_heading(page: Path, file: str, heading: str) -> None:
    target = page.parent / file if file else page
    assert target.is_file()
    assert not heading or heading in anchors(target)


def sources() -> list[Path]:
    return [
        each
        for folder in ("service", "handlers")
        for end in ("py", "lua")
        for each in (ROOT / folder).rglob(f"*.{end}")
    ]


@pytest.mark.parametrize("path", sources(), ids=lambda path: path.name)
def test_a_file_that_the_code_names_exists(path: Path) -> None:
    text = path.read_text()
    files = re.findall(r"(?<![\w/.<*-])([\w/-]+\.(?:lua|md))\b", text)
    known = {str(each.relative_to(ROOT)) for each in [*sources(), *PAGES]}
    assert [each for each in files if not any(f"/{known_file}".endswith(f"/{each}") for known_file in known)] == []
    assert re.findall(r"\b(?:DESIGN|HOUSE|FACTS)\b|(?i:\bissue \d)", text) == []


def test_the_walk_names_many_functions() -> None:
    assert len([name for _, name in named() if name]) > 25
